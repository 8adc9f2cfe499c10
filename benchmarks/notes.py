"""What the processes of a training noted when they passed marks, which `tracing/` puts there."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent


class Note(NamedTuple):
    """A mark that was passed."""

    mark: str
    """A function in `tracing/sitecustomize.py`, and whether a call of it begins or ends there."""

    when: float
    """Seconds since 1970."""

    process: int
    """Its id."""

    cpu: float
    """CPU seconds of all of its threads so far."""


def noting(file: Path) -> dict[str, str]:
    """The environment of a training whose processes add their notes to `file`."""
    path = os.pathsep.join([str(_HERE / "tracing"), str(_HERE.parent)])
    return {**os.environ, "PYTHONPATH": path, "ADVENT_DIST_NOTES": str(file)}


def read(file: Path) -> list[Note]:
    """What was noted so far."""
    if not file.exists():
        return []
    return [Note(*json.loads(line)) for line in file.read_text().splitlines()]


def parts(
    marks: Sequence[tuple[str, str]], notes: Sequence[Note], begun: float
) -> dict[str, float]:
    """What a way through marks is made of.

    A process passes a mark when it does so for the first time, and of several processes the last
    one counts. Those that were past a mark before it all began have no part in it.

    Args:
        marks: Names of the parts, and the marks at which they end.
        notes: In the order in which each process took them.
        begun: When the first part began, in seconds since 1970.

    Returns:
        The seconds of each part.

    Raises:
        KeyError: nobody passed a mark.
    """
    first: dict[tuple[str, int], float] = {}
    for note in notes:
        first.setdefault((note.mark, note.process), note.when)
    passed: dict[str, float] = {}
    for (mark, _), when in first.items():
        if when >= begun:
            passed[mark] = max(when, passed.get(mark, 0.0))
    found, before = {}, begun
    for name, mark in marks:
        found[name] = passed[mark] - before
        before = passed[mark]
    return found


def total(found: Mapping[str, float]) -> float:
    """Seconds of all parts together."""
    return sum(found.values())


def median(several: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """The parts of that which took the median time; of two in the middle, of the longer one."""
    longest = statistics.median_high(map(total, several))
    return next(found for found in several if total(found) == longest)


def print_parts(title: str, found: Mapping[str, float]) -> None:
    """Print a table."""
    print(f"| {title} | s |\n| --- | ---: |")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.2f} |")
    print(f"| all | {total(found):.2f} |")
