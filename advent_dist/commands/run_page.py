"""The pages that `advent-dist report` writes, and `train` and `demo` at their end."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace

from advent_dist.config.baseline import name_without_adaptation
from advent_dist.config.selection import TARGET_MAP
from advent_dist.data.classes import first_difference
from advent_dist.errors import CheckpointError, ConfigError, DataError
from advent_dist.report import Panel, RunRecord, comparison_report, read_run, run_report
from advent_dist.runs.comparing import compare_runs, compare_with_first
from advent_dist.runs.detection.panels import draw_box_panels
from advent_dist.runs.detection.trained import is_detector, load_detector
from advent_dist.runs.folder import CONFIG_FILE, REPORT_FILE, RunFolder
from advent_dist.runs.panels import draw_panels
from advent_dist.runs.scoring import rescored
from advent_dist.runs.trained import available_device, load_run, load_runs


def write_report(run: RunFolder) -> None:
    """Write report.html, and the pictures it shows, into a run's folder."""
    _draw(run)
    run.folder.write(REPORT_FILE, run_report(read_run(run.url)).encode())


def _draw(run: RunFolder) -> None:
    """Write the pictures of a run into its folder."""
    device = available_device()
    snapshots = ("last", "best")
    if is_detector(run.url):
        found = {which: load_detector([run.url], which, device) for which in snapshots}
        panels = draw_box_panels(found)
    else:
        panels = draw_panels({which: load_run(run.url, which, device) for which in snapshots})
    run.write_panels([panel.png for panel in panels])


def run_page(run: RunFolder, data: str | None = None) -> str:
    """The page of a run as it is now; its pictures are drawn again where they can be.

    It says whether adaptation helped if the same training without it lies beside the run.

    Args:
        run: The run.
        data: Shards that it is judged on; none takes its `data.held_out`, or what it was evaluated
            on.

    Raises:
        ConfigError: there is `data`, and no such training.
        DataError, CheckpointError: the run can't be judged on `data`.
    """
    verdict = _verdict(run) if data is None else _judged_on(run, data)
    try:
        _draw(run)
    except (CheckpointError, DataError) as error:
        sys.stderr.write(f"-- pictures stay as they are: {error}\n")
    return run_report(read_run(run.url), verdict)


def _judged_on(run: RunFolder, data: str) -> str:
    baseline = name_without_adaptation(run.url)
    if not run.folder.at(baseline).exists(CONFIG_FILE):
        raise ConfigError(
            f"--data: there is no {baseline} that {run.url} could be judged against; train it by "
            f"advent-dist train --config {shlex.quote(f'{run.url}/{CONFIG_FILE}')} --source-only, "
            "or give a run to compare with first, then this one"
        )
    return compare_runs([run.url], [baseline], "last", data).paragraph


def _verdict(run: RunFolder) -> str | None:
    """Of `run` against the training that `train --source-only` leaves beside it, if there is one.

    Not at the end of a training: two networks predict all images that are judged on.
    """
    baseline = name_without_adaptation(run.url)
    if not run.folder.at(baseline).exists(CONFIG_FILE) or is_detector(run.url):
        return None
    try:
        return compare_runs([run.url], [baseline], "last").paragraph
    except (CheckpointError, ConfigError, DataError) as error:
        sys.stderr.write(f"-- without a verdict: {error}\n")
        return None


def comparison_page(runs: Sequence[RunFolder], data: str | None) -> str:
    """The page that compares several runs with the first.

    Args:
        runs: Two or more.
        data: Shards that all are scored and judged on; none takes each run's own evaluations.

    Raises:
        CheckpointError: the runs predict different classes, or one segments and another detects.
        DataError: the images have no labels, or can't be read.
    """
    urls = [run.url for run in runs]
    records = _named([read_run(url) for url in urls], urls)
    names = [record.name for record in records]
    panels: list[Panel] = []
    for record in records[1:]:
        _require_same_task(records[0], record)
        _require_same_classes(records[0], record)
    verdicts: list[str] = []
    detects = records[0].accuracy.target == TARGET_MAP
    if data is not None:
        if not detects:
            verdicts = [one.paragraph for one in compare_with_first(urls, "last", data)]
        records = [rescored(record, data) for record in records]
        if not any(record.is_labelled for record in records):
            raise DataError(
                f"{data} has no labels, and only labels tell which run is better; give a folder of "
                "labelled target images (--data)"
            )
    try:
        # Those of a config are relative to its data.root.
        folder = data if data is None or "://" in data else os.path.abspath(data)
        device = available_device()
        if detects:
            found = [load_detector([url], "last", device) for url in urls]
            panels = draw_box_panels(dict(zip(names, found, strict=True)), folder)
        else:
            models = load_runs(urls, "last", device)
            panels = draw_panels(dict(zip(names, models, strict=True)), folder)
    except (CheckpointError, DataError) as error:
        sys.stderr.write(f"-- without pictures: {error}\n")
    notes = [] if data is None else [f"Scores and pictures are of {data}."]
    return comparison_report(
        " against ".join(names),
        records,
        names[0],
        notes=notes,
        verdicts=verdicts,
        panels=panels,
    )


def _require_same_task(one: RunRecord, other: RunRecord) -> None:
    if one.accuracy != other.accuracy:
        raise CheckpointError(
            f"{one.name} is scored by {one.accuracy.short}, and {other.name} by "
            f"{other.accuracy.short}: one segments and the other detects; report them apart"
        )


def _require_same_classes(one: RunRecord, other: RunRecord) -> None:
    if one.classes is None or other.classes is None:
        return
    difference = first_difference(one.classes, other.classes)
    if difference is not None:
        raise CheckpointError(
            f"the runs predict different classes: {one.name} {one.classes.name}, {other.name} "
            f"{other.classes.name}, and {difference}; report them apart"
        )


def _named(records: Sequence[RunRecord], urls: Sequence[str]) -> list[RunRecord]:
    """The records by the names of their runs, or by their URLs where a name stands for two."""
    names = [record.name for record in records]
    return [
        record if names.count(record.name) == 1 else replace(record, name=url)
        for record, url in zip(records, urls, strict=True)
    ]
