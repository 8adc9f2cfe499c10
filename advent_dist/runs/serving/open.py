"""A run, an export of one, or the ensemble of several, as what answers images."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from advent_dist.config import View
from advent_dist.runs.detection.trained import is_detector, load_detector
from advent_dist.runs.serving.answer import Answerer
from advent_dist.runs.serving.detector import DetectorAnswers
from advent_dist.runs.serving.segmenter import SegmenterAnswers
from advent_dist.runs.trained import load_runs, open_trained


@dataclass(frozen=True, kw_only=True)
class About:
    """What is served."""

    runs: tuple[str, ...]
    """The runs' names; several are an ensemble."""

    checkpoint: str
    """`last` or `best`."""

    steps: tuple[int | None, ...]
    """That the checkpoint of each is of; an export does not say."""

    classes: tuple[str, ...]
    """By train id."""

    answers: tuple[str, ...]
    """What may be asked for, as in `?as=json`; the first is what is answered if nothing is."""


def open_answerer(urls: Sequence[str], which: str, view: View) -> tuple[Answerer, About]:
    """The model of a run, on the CPU, or of several, which are averaged.

    Args:
        urls: The run folders, or those of exports; of a detector one.
        which: `last` or `best` checkpoint of each.
        view: How segmenters look at images.

    Raises:
        ConfigError, CheckpointError, DataError: see `load_runs` and `load_detector`.
    """
    cpu = torch.device("cpu")
    folders = [open_trained(url) for url in urls]
    steps = tuple(folder.step(which) for folder in folders)
    answerer: Answerer
    while True:
        if is_detector(urls[0]):
            detector = load_detector(urls, which, cpu, view)
            answerer, classes = DetectorAnswers(run=detector, device=cpu), detector.classes
        else:
            segmenters = tuple(load_runs(list(urls), which, cpu, view))
            answerer, classes = SegmenterAnswers(runs=segmenters, device=cpu), segmenters[0].classes
        # A training that goes on may have saved another one meanwhile.
        before, steps = steps, tuple(folder.step(which) for folder in folders)
        if before == steps:
            break
    about = About(
        runs=tuple(posixpath.basename(url.rstrip("/")) for url in urls),
        checkpoint=which,
        steps=steps,
        classes=classes.names,
        answers=answerer.kinds,
    )
    return answerer, about
