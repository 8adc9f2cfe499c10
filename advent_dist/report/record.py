"""A run as plain data, read from the files of its folder. It can be looked at without PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from advent_dist.config.run_summary import checked_summary
from advent_dist.config.selection import TARGET_MIOU, Accuracy, accuracy_in
from advent_dist.data.class_file import parse_class_file
from advent_dist.data.class_sets import NAMES, class_set
from advent_dist.data.classes import ClassSet
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError
from advent_dist.json_text import json_object
from advent_dist.pictures import title_of

SNAPSHOTS = ("last", "best")
"""The states of a run that are always shown together: its end, and the best by `selected_by`."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A picture with a caption."""

    caption: str
    """One line."""

    png: bytes
    """A PNG file."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a run left behind; each part may be missing while it is still going on."""

    name: str
    """Name of the run."""

    config: dict[str, Any] = field(default_factory=dict)
    """The resolved `Experiment` as nested dicts."""

    metrics: list[dict[str, Any]] = field(default_factory=list)
    """Reports in the order in which they were written; any key may be missing in any of them."""

    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """"last" and "best" -> `Evaluation.to_json()` on the target and the `step` it was made at."""

    selected_by: str = TARGET_MIOU
    """The measure that chose the best snapshot; see `config.selection`."""

    panels: list[Panel] = field(default_factory=list)
    """Pictures of predictions."""

    classes: ClassSet | None = None
    """Its classes, where they are known."""

    url: str = ""
    """Its folder."""

    @property
    def method(self) -> str | None:
        """`method.name` of its config."""
        name = self.config.get("method", {}).get("name")
        return None if name is None else str(name)

    @property
    def accuracy(self) -> Accuracy:
        """What it is scored by where there are target labels."""
        return accuracy_in(self.config)

    @property
    def is_labelled(self) -> bool:
        """Whether there are target labels to score it by, as far as that is known."""
        number = self.accuracy.number
        return not self.evaluations or any(number in one for one in self.evaluations.values())

    def evaluation(self, snapshot: str) -> dict[str, Any]:
        """The numbers of a snapshot; empty where there are none."""
        return self.evaluations.get(snapshot, {})

    def curve(self, name: str) -> dict[int, float]:
        """Step -> value of a metric, at the steps where it was reported and is finite."""
        return {row["step"]: row[name] for row in self.metrics if _is_number(row.get(name))}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def read_run(url: str) -> RunRecord:
    """Read a run folder: config.json, metrics.jsonl, summary.json and panels/*.png.

    Args:
        url: local folder or s3:// URL.

    Returns:
        The record; what is not there yet is empty.

    Raises:
        DataError: there is no config.json, or a file does not hold what it should.
    """
    folder = open_folder(url)
    names = folder.list()
    if "config.json" not in names:
        raise DataError(f"{folder.url} is no run folder: it has no config.json")
    pictures = open_folder(f"{folder.url}/panels")
    summary: dict[str, Any] = {}
    if "summary.json" in names:
        where = f"{folder.url}/summary.json"
        summary = checked_summary(read_json(folder, "summary.json"), where)
    config = read_json(folder, "config.json")
    return RunRecord(
        name=folder.url.rsplit("/", 1)[-1],
        config=config,
        metrics=read_rows(folder) if "metrics.jsonl" in names else [],
        evaluations={
            snapshot: {"step": summary[snapshot]["step"], **summary[snapshot]["target"]}
            for snapshot in SNAPSHOTS
            if summary.get(snapshot)
        },
        selected_by=summary.get("selected_by", TARGET_MIOU),
        panels=[
            _panel(name.removesuffix(".png"), pictures.read(name))
            for name in pictures.list()
            if name.endswith(".png")
        ],
        classes=_classes(folder) if "classes.json" in names else built_in_classes(config),
        url=folder.url,
    )


def _panel(name: str, png: bytes) -> Panel:
    return Panel(caption=title_of(png) or name, png=png)


def _classes(folder: Folder) -> ClassSet:
    url = f"{folder.url}/classes.json"
    return parse_class_file(folder.read("classes.json"), url).classes


def built_in_classes(config: Mapping[str, Any]) -> ClassSet | None:
    """The built-in class set that a config names, if it does: runs of old have no classes.json."""
    name = config.get("data", {}).get("classes")
    return class_set(name) if name in NAMES else None


def read_json(folder: Folder, name: str) -> dict[str, Any]:
    """The object that a JSON file of a folder holds.

    Raises:
        DataError: it is missing, no JSON, or no object.
    """
    return json_object(folder.read(name), f"{folder.url}/{name}")


def read_rows(folder: Folder) -> list[dict[str, Any]]:
    """The lines of a folder's metrics.jsonl.

    Raises:
        DataError: it is missing, or a line is no JSON object; the message names the line.
    """
    lines = folder.read("metrics.jsonl").splitlines()
    return [
        json_object(line, f"{folder.url}/metrics.jsonl, line {number}")
        for number, line in enumerate(lines, start=1)
    ]
