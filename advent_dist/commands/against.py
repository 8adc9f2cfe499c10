"""What `advent-dist evaluate RUN --against RUN` prints."""

from __future__ import annotations

import json
import sys

from rich.table import Table

from advent_dist.evaluation.paired import Contrast
from advent_dist.evaluation.verdict import interval
from advent_dist.printable import plain_console
from advent_dist.runs.comparing import Judged


def print_comparison(judged: Judged, which: str, *, as_json: bool) -> None:
    """The IoU of each class of both sides, their differences with intervals, and the verdict."""
    if as_json:
        tree = {"verdict": judged.verdict, **judged.comparison.to_json()}
        sys.stdout.write(json.dumps(tree, indent=2) + "\n")
        return
    plain_console().print(_table(judged, which))
    sys.stdout.write(f"{judged.verdict}\n")


def _table(judged: Judged, which: str) -> Table:
    found = judged.comparison
    title = f"IoU % of the {which} checkpoints on the same {found.images} images"
    headings = ("", judged.theirs, judged.ours, "difference", "95 % interval")
    table = Table(*headings, title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, one in found.per_class.items():
        table.add_row(name, *_cells(one))
    table.add_section()
    over = f"mean over {len(found.per_class)} classes"
    table.add_row(over, *_cells(found.miou), style="bold")
    return table


def _cells(one: Contrast) -> list[str]:
    numbers = (f"{one.theirs:.1f}", f"{one.ours:.1f}", f"{one.difference:+.1f}")
    return ["-" if text.endswith("nan") else text for text in numbers] + [interval(one)]
