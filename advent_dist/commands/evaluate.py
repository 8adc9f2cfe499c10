"""`advent-dist evaluate RUN [RUN ...]`: score runs on shards; several are an ensemble.

Without labels it prints what the predictions say by themselves. With `--against RUN [RUN ...]` it
says whether they are better than others, and how sure that is.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from advent_dist.config import Several, View
from advent_dist.errors import ConfigError
from advent_dist.printable import plain_console


@dataclass(frozen=True, kw_only=True)
class Evaluate(View):
    """Score trained runs on shards, labelled or not; several are averaged, logits by logits."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders or their URLs."""

    against: tuple[str, ...] = ()
    """Runs to compare with, such as one without adaptation, on the same labelled images."""

    several: Several | None = None
    """What several runs are: an `ensemble`, whose logits are averaged, or, with --against,
    trainings by several `seeds`, which are compared one by one. None is an ensemble, and is refused
    where both sides have several runs."""

    data: str | None = None
    """Shard folder or URL; none takes the images that the first run was evaluated on, and with
    --against its `data.held_out`, if it has one."""

    which: Literal["last", "best"] = "last"
    """Checkpoint of each run. The best one was chosen on the images that the run was evaluated on:
    it flatters there."""

    json: bool = False
    """Print JSON instead of a table."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    options = tyro.cli(Evaluate, args=arguments, prog="advent-dist evaluate")
    if not options.runs:
        sys.stderr.write("advent-dist evaluate: give at least one run folder; see --help\n")
        return 2
    # Networks and loaders: seconds of imports, which `--help` should not take.
    from advent_dist.commands.against import print_comparison
    from advent_dist.commands.evaluation_table import table_of_boxes, table_of_pixels
    from advent_dist.evaluation.detection.evaluate import BoxEvaluation
    from advent_dist.runs.comparing import compare_runs
    from advent_dist.runs.scoring import score

    if options.against:
        judged = compare_runs(
            options.runs,
            options.against,
            options.which,
            options.data,
            options.several,
            options,
        )
        print_comparison(judged, options.which, as_json=options.json)
        return 0
    if options.several == "seeds":
        raise ConfigError("--several seeds compares runs with others; name those by --against")
    result = score(
        list(options.runs),
        options.which,
        options.data,
        options,
    )
    if options.json:
        sys.stdout.write(json.dumps(result.to_json(), indent=2) + "\n")
    else:
        title = f"{' + '.join(options.runs)} ({options.which})"
        if isinstance(result, BoxEvaluation):
            plain_console().print(table_of_boxes(result, title))
        else:
            plain_console().print(table_of_pixels(result, title))
    return 0
