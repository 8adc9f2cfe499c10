"""A run, or an export of one, as what answers images."""

from __future__ import annotations

import posixpath
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

    run: str
    """The run's name."""

    checkpoint: str
    """`last` or `best`."""

    step: int | None
    """That the checkpoint is of; an export does not say."""

    classes: tuple[str, ...]
    """By train id."""

    answers: tuple[str, ...]
    """What may be asked for, as in `?as=json`; the first is what is answered if nothing is."""


def open_answerer(url: str, which: str, view: View) -> tuple[Answerer, About]:
    """The model of a run, on the CPU.

    Args:
        url: The run folder, or that of an export.
        which: `last` or `best` checkpoint.
        view: How a segmenter looks at images.

    Raises:
        ConfigError, CheckpointError, DataError: see `load_runs` and `load_detector`.
    """
    cpu = torch.device("cpu")
    folder = open_trained(url)
    step = folder.step(which)
    answerer: Answerer
    while True:
        if is_detector(url):
            detector = load_detector([url], which, cpu, view)
            answerer, classes = DetectorAnswers(run=detector, device=cpu), detector.classes
        else:
            (segmenter,) = load_runs([url], which, cpu, view)
            answerer, classes = SegmenterAnswers(run=segmenter, device=cpu), segmenter.classes
        # A training that goes on may have saved another one meanwhile.
        before, step = step, folder.step(which)
        if before == step:
            break
    about = About(
        run=posixpath.basename(url.rstrip("/")),
        checkpoint=which,
        step=step,
        classes=classes.names,
        answers=answerer.kinds,
    )
    return answerer, about
