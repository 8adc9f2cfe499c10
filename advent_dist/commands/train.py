"""`advent-dist train NAME [--a.b value ...]`: one experiment on Ray Train, by name or in a file.

It ends in a run folder with a report.
"""

from __future__ import annotations

import io
import shlex
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass
from typing import Annotated

import tyro

from advent_dist.config import Call, Experiment
from advent_dist.config.baseline import (
    is_adapted,
    name_without_adaptation,
    without_adaptation,
)
from advent_dist.config.override import override
from advent_dist.config.selection import MEASURES, chosen_by
from advent_dist.errors import ConfigError
from advent_dist.experiments import EXPERIMENTS
from advent_dist.experiments.environment import named, surroundings
from advent_dist.interruption import status_of

_USAGE = """\
usage: advent-dist train NAME [--resume | --overwrite] [--force] [--source-only] [--a.b value ...]
       advent-dist train NAME.py[:FUNCTION] ...       the same, of a file by advent-dist new
       advent-dist train --config RUN/config.json [--resume | --overwrite] [--a.b value ...]
       advent-dist train --config RUN/config.json --source-only       what RUN is compared with
       advent-dist train --list
       advent-dist train NAME --help                  every field with its meaning and value
"""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_USAGE)
        return 0 if arguments else 2
    if arguments[0] == "--list":
        sys.stdout.write(_listing())
        return 0
    return train(*parse(arguments))


@dataclass(frozen=True, kw_only=True)
class _Flags:
    """What flags say."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    call: Annotated[tyro.conf.FlagCreatePairsOff[Call], tyro.conf.arg(name="")]

    source_only: tyro.conf.FlagCreatePairsOff[bool] = False
    """Train the same without adaptation, to compare with: the network, the source, the steps and
    all else stay. It is called as the other, with _source_only, unless --run.name is given."""


def parse(arguments: list[str], default: Experiment | None = None) -> tuple[Experiment, Call]:
    """The experiment that a command line means, and what it asks of a run that is there already.

    A named one as the environment's variables change it; flags go before them. The config of a run
    is that of the run in whose folder it lies, wherever that was copied or moved to.

    Args:
        arguments: A name or NAME.py, or --config and a run's config.json; and flags.
        default: What is meant by flags alone.

    Raises:
        ConfigError: an unknown experiment, an unreadable config file, or a value out of range.
    """
    first, *rest = arguments
    if first == "--config":
        if not rest:
            raise ConfigError("--config: give the path of a run's config.json")
        from advent_dist.runs.folder import experiment_of_run  # which loads numpy

        path, *rest = rest
        base = experiment_of_run(path)
    elif default is not None and first.startswith("-"):
        base, rest = default, arguments
    elif first.startswith("-"):
        raise ConfigError(
            f"the experiment's name comes first, not {first}; see advent-dist train --list"
        )
    else:
        base = override(named(first), surroundings())
    flags = _read_flags(base, rest, f"advent-dist train {first}")
    chosen = flags.experiment
    if flags.source_only:
        if not is_adapted(chosen):
            raise ConfigError(
                f"--source-only: {chosen.run.name or chosen.name} adapts nothing: it is what "
                "others are compared with; leave --source-only out"
            )
        name = chosen.run.name
        if name == base.run.name:
            name = name_without_adaptation(name or chosen.name)
        chosen = override(without_adaptation(chosen), {"run.name": name})
    return chosen, flags.call


def _read_flags(base: Experiment, flags: list[str], program: str) -> _Flags:
    """`base` with the fields that `flags` name changed; wrong usage and `--help` exit."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(
                _Flags,
                default=_Flags(experiment=base, call=Call()),
                args=flags,
                prog=program,
                description=base.name,
            )
    except SystemExit as exit_:
        # tyro boxes the message of a config's own check and exits: it is to end as all others do.
        mistake = exit_.__context__
        while mistake is not None and not isinstance(mistake, ConfigError):
            mistake = mistake.__context__
        if mistake is not None:
            raise mistake from None
        sys.stderr.write(said.getvalue())
        raise


def train(chosen: Experiment, call: Call) -> int:
    """Train and report; say at the start and on Ctrl-C how to go on after an interruption.

    Returns:
        The exit status.
    """
    from cluster.early import early_ray

    with early_ray(chosen.cluster):
        from advent_dist.runs.folder import CONFIG_FILE, REPORT_FILE, RunFolder
        from cluster.launch import absolute, launch
        from shards.streets_data import ensure_streets

        run = RunFolder.of(absolute(chosen))
        ensure_streets(chosen.data)
        config = f"{run.url}/{CONFIG_FILE}"
        again = shlex.join(["advent-dist", "train", "--config", config, "--resume"])
        has_begun = call.resume

        def begun() -> None:
            # Said at once, since nobody is left to say it when the machine is lost.
            nonlocal has_begun
            has_begun = True
            sys.stderr.write(f"-- after an interruption go on with: {again}\n")

        try:
            progress = launch(chosen, call, begun)
        except KeyboardInterrupt as interrupt:
            how = f"go on with:\n  {again}" if has_begun else "nothing had begun"
            sys.stderr.write(f"\nstopped; {how}\n")
            return status_of(interrupt)
    from advent_dist.commands.run_page import write_report  # charts and statistics: not before

    write_report(run)
    measure = MEASURES[progress.selected_by]
    for name, scores in (("last", progress.last), ("best", progress.best)):
        if scores is not None:
            value = measure.text(scores.value(progress.selected_by))
            sys.stdout.write(f"{name:5} step {scores.step:6}  {measure.title} {value:>5}\n")
    sys.stdout.write(f"best by {chosen_by(progress.selected_by)}\n")
    sys.stdout.write(f"{run.url}/{REPORT_FILE}\n")
    return 0


def _listing() -> str:
    """Each experiment with the first line of its docstring."""
    width = max(map(len, EXPERIMENTS))
    promises = (
        (name, (function.__doc__ or "").splitlines()[0]) for name, function in EXPERIMENTS.items()
    )
    return "".join(f"{name:{width}}  {promise}\n" for name, promise in promises)
