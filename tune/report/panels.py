"""Pictures of what the best configuration predicts, where its weights and images can be read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from advent_dist.errors import UserError
from advent_dist.report.page import Section, pictures
from advent_dist.report.record import Panel
from tune.report.choice import best_trial
from tune.report.configurations import configurations
from tune.report.record import Sweep

if TYPE_CHECKING:
    from advent_dist.runs.detection.trained import TrainedDetector
    from advent_dist.runs.trained import TrainedRun

TITLE = "Predictions"

NUMBER = 3
"""Images shown."""


def predictions(sweep: Sweep) -> Section:
    """Panels of image, label if any, prediction and entropy, or why there are none."""
    runs, folder = _runs(sweep)
    where = sweep.tune_folder if folder is None else folder
    if not runs:
        return Section(title=TITLE, notes=["No trial has been evaluated yet."])
    panels, missing = _draw(runs, folder)
    notes = [f"There are no pictures of {title}: {reason}" for title, reason in missing.items()]
    if not panels:
        return Section(title=TITLE, notes=notes)
    shown = pictures(panels, f"The first images of {where}, by the last checkpoint.")
    return replace(shown, notes=[*shown.notes, *notes])


def left_out() -> Section:
    """In place of the panels, where a data set's images must not be passed on."""
    return Section(title=TITLE, notes=["The report was written without pictures."])


def _runs(sweep: Sweep) -> tuple[dict[str, str], str | None]:
    """Caption -> run folder, and the folder of the images to show; None: those that choose.

    One retraining of source only and one of the best; before those, the best trial.
    """
    finished = [final for final in reversed(sweep.finals) if final.state == "finished"]
    runs = {final.which: final.url for final in finished}  # of several seeds the first
    if "best" in runs:
        shown = [which for which in ("source_only", "best") if which in runs]
        titles = configurations(sweep)
        return {titles[which]: runs[which] for which in shown}, sweep.report_folder
    best = best_trial(sweep)
    return ({} if best is None else {f"trial {best.id}": best.url}), None


def _draw(runs: dict[str, str], folder: str | None) -> tuple[list[Panel], dict[str, str]]:
    """Panels of those runs that can be read, and why the others can't."""
    # Imported here: PyTorch takes seconds, and a page may have no pictures.
    from advent_dist.runs.detection.panels import draw_box_panels
    from advent_dist.runs.detection.trained import TrainedDetector
    from advent_dist.runs.panels import draw_panels
    from advent_dist.runs.trained import TrainedRun

    opened = {title: _open(url) for title, url in runs.items()}
    segmenters = {title: one for title, one in opened.items() if isinstance(one, TrainedRun)}
    detectors = {title: one for title, one in opened.items() if isinstance(one, TrainedDetector)}
    missing = {title: one for title, one in opened.items() if isinstance(one, str)}
    try:
        panels = draw_panels(segmenters, folder, NUMBER) if segmenters else []
        panels += draw_box_panels(detectors, folder, NUMBER) if detectors else []
        return panels, missing
    except (UserError, OSError) as error:
        return [], dict.fromkeys(segmenters | detectors, str(error)) | missing


def _open(url: str) -> TrainedRun | TrainedDetector | str:
    """The last checkpoint of a run, or why it can't be had."""
    from advent_dist.runs.detection.trained import is_detector, load_detector
    from advent_dist.runs.trained import available_device, load_run

    try:
        device = available_device()
        if is_detector(url):
            return load_detector([url], "last", device)
        return load_run(url, "last", device)
    except (UserError, OSError) as error:
        return str(error)
