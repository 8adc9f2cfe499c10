"""`advent-dist evaluate RUN [RUN ...]`: score runs on labelled shards; several are an ensemble."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from rich.table import Table

from advent_dist.evaluation.counts import Evaluation
from advent_dist.printable import plain_console
from advent_dist.runs.scoring import score


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score trained runs on labelled shards; several runs are averaged, logits by logits."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders or their URLs."""

    data: str | None = None
    """Shard folder or URL; none takes the first run's `data.evaluation`."""

    which: Literal["last", "best"] = "last"
    """Checkpoint of each run. The best one was chosen on `data.evaluation`: it flatters there."""

    json: bool = False
    """Print JSON instead of a table."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    options = tyro.cli(Evaluate, args=arguments, prog="advent-dist evaluate")
    if not options.runs:
        sys.stderr.write("advent-dist evaluate: give at least one run folder; see --help\n")
        return 2
    result = score(list(options.runs), options.which, options.data)
    if options.json:
        sys.stdout.write(json.dumps(result.to_json(), indent=2) + "\n")
    else:
        plain_console().print(_table(result, f"{' + '.join(options.runs)} ({options.which})"))
    return 0


def _table(result: Evaluation, title: str) -> Table:
    table = Table("", "IoU %", title=title, title_justify="left")
    table.columns[1].justify = "right"
    for name, iou in result.per_class.items():
        table.add_row(name, "-" if iou != iou else f"{iou:.1f}")
    table.add_section()
    table.add_row(f"mean over {len(result.per_class)} classes", f"{result.miou:.1f}", style="bold")
    for name, miou in result.subsets.items():
        table.add_row(f"mean over {name} classes", f"{miou:.1f}")
    table.add_row("pixel accuracy", f"{result.pixel_accuracy:.1f}")
    table.add_section()
    table.add_row("mean entropy (0..1)", f"{result.mean_entropy:.3f}")
    table.add_row("entropy at class boundaries", f"{result.boundary_entropy:.3f}")
    table.add_row("entropy in interiors", f"{result.interior_entropy:.3f}")
    table.add_row("AUROC of entropy for errors", f"{result.error_auroc:.3f}")
    table.add_row("classes predicted at all", str(result.live_classes))
    if result.skipped_samples:
        table.add_row("damaged samples left out", str(result.skipped_samples))
    return table
