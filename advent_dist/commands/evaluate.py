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
from rich.table import Table

from advent_dist.commands.against import print_comparison
from advent_dist.config import View
from advent_dist.errors import ConfigError
from advent_dist.evaluation.counts import Evaluation
from advent_dist.evaluation.labelled import Accuracy
from advent_dist.evaluation.unlabelled import Criteria
from advent_dist.printable import plain_console
from advent_dist.runs.comparing import Several, compare_runs
from advent_dist.runs.scoring import score


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
    """Shard folder or URL; none takes the images that the first run was evaluated on."""

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
        plain_console().print(_table(result, f"{' + '.join(options.runs)} ({options.which})"))
    return 0


def _table(result: Evaluation, title: str) -> Table:
    if result.accuracy is None:
        table = Table("no target label", "", title=title, title_justify="left")
    else:
        table = Table("", "IoU %", title=title, title_justify="left")
    table.columns[1].justify = "right"
    if result.accuracy is not None:
        _add_accuracy(table, result.accuracy)
    _add_criteria(table, result.criteria)
    if result.skipped_samples:
        table.add_row("damaged samples left out", str(result.skipped_samples))
    return table


def _add_accuracy(table: Table, accuracy: Accuracy) -> None:
    for name, iou in accuracy.per_class.items():
        table.add_row(name, "-" if iou != iou else f"{iou:.1f}")
    table.add_section()
    over = f"mean over {len(accuracy.per_class)} classes"
    table.add_row(over, f"{accuracy.miou:.1f}", style="bold")
    for name, miou in accuracy.subsets.items():
        table.add_row(f"mean over {name} classes", f"{miou:.1f}")
    table.add_row("pixel accuracy", f"{accuracy.pixel_accuracy:.1f}")
    table.add_section()
    table.add_row("entropy at class boundaries", f"{accuracy.boundary_entropy:.3f}")
    table.add_row("entropy in interiors", f"{accuracy.interior_entropy:.3f}")
    table.add_row("AUROC of entropy for errors", f"{accuracy.error_auroc:.3f}")


def _add_criteria(table: Table, criteria: Criteria) -> None:
    table.add_row("mean entropy (0..1)", f"{criteria.mean_entropy:.3f}")
    table.add_row("information maximisation (0..1)", f"{criteria.information_maximisation:.3f}")
    table.add_row("soft neighbourhood density (nats)", f"{criteria.snd:.3f}")
    table.add_row("class diversity (0..1)", f"{criteria.diversity:.3f}")
    table.add_row("classes predicted at all", str(criteria.live_classes))
