"""The command line of a sweep."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import tyro

from advent_dist.errors import UserError
from advent_dist.experiments import EXPERIMENTS
from advent_dist.experiments.environment import DATA, EXPERIMENT, SET
from advent_dist.interruption import interruptible, status_of
from tune.options import Options

if TYPE_CHECKING:
    from tune.plan import Plan

_OF_ONE_CALL = ("--resume", "--retry-failed", "--overwrite", "--force")

_HINT = """\
`ray submit FILE tune/search.py -- ...` joins its arguments: give one with spaces two layers of
quotes, --name "'two words'"
"""


def main(arguments: list[str], resume_words: list[str] | None = None) -> int:
    """Search, and say how to go on after Ctrl-C.

    Args:
        arguments: As in `sys.argv`, the script's own path first.
        resume_words: What to type to go on; none: the same with --resume.

    Returns:
        The exit status: 0 done, 1 the user has something to mend, 130 Ctrl-C, 143 SIGTERM.
    """
    script, *flags = arguments
    options = _options(script, flags)
    again = ""
    try:
        with interruptible():
            from tune.plan import make_plan  # here: Ray takes seconds, and --help should not

            plan = make_plan(options)
            again = shlex.join(resume_words or _resume_words(flags, plan))
            return _sweep(plan, again)
    except UserError as error:
        if os.environ.get("ADVENT_DIST_TRACEBACK"):
            raise
        sys.stderr.write(f"search: {error}\n")
        return 1
    except KeyboardInterrupt as interrupt:
        how = f"; go on where it was with:\n  {again}" if again else ""
        sys.stderr.write(f"\nstopped{how}\n")
        return status_of(interrupt)


def _options(script: str, flags: list[str]) -> Options:
    """What the flags mean; wrong usage and `--help` exit."""
    try:
        return tyro.cli(Options, args=flags, prog=f"python {script}")
    except SystemExit as exit_:
        if exit_.code:
            sys.stderr.write(_HINT)
        raise


def _sweep(plan: Plan, again: str) -> int:
    from shards.streets_data import ensure_streets
    from tune.sweep import run_sweep

    ensure_streets(plan.experiment.data)
    try:
        run_sweep(plan, again)
    except BaseException:
        # As far as it came. What ended it is what counts, not why there is no page of it.
        with suppress(UserError, OSError):
            _report(plan)
        raise
    _report(plan)
    return 0


def _report(plan: Plan) -> None:
    from tune.folder import SweepFolder
    from tune.report import write_report

    if SweepFolder(plan.url, plan.experiment.data).trials():
        sys.stdout.write(f"{write_report(plan.url, plan.options.price_per_hour)}\n")


def _resume_words(flags: list[str], plan: Plan) -> list[str]:
    """The same command with --resume and with what the environment added to it.

    By the module's name: a script that `ray submit` has copied may be gone by then. So may a file
    with the experiment, or have changed: the sweep's folder has what it was.
    """
    from tune.folder import EXPERIMENT_FILE
    from tune.plan import named_by

    added = ["env", f"{SET}={os.environ[SET]}"] if SET in os.environ else []
    words = [
        *added,
        *("python", "-m", "tune.search"),
        *_without("--experiment", [flag for flag in flags if flag not in _OF_ONE_CALL]),
    ]
    name = named_by(plan.options)
    if name not in EXPERIMENTS:
        name = f"{plan.url}/{EXPERIMENT_FILE}"
    if plan.options.experiment is not None or EXPERIMENT in os.environ:
        words += ["--experiment", name]
    if plan.options.data is None and DATA in os.environ:
        words += ["--data", os.environ[DATA]]
    return [*words, "--resume"]


def _without(flag: str, words: list[str]) -> list[str]:
    """Words of a command line without a flag and its value."""
    kept: list[str] = []
    following = iter(words)
    for word in following:
        if word == flag:
            next(following, None)
        elif not word.startswith(f"{flag}="):
            kept.append(word)
    return kept
