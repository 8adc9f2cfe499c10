"""Trained detectors on shards, with boxes or without, to numbers."""

from __future__ import annotations

from collections.abc import Sequence

from advent_dist.config import View
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.evaluation.detection.evaluate import (
    BoxEvaluation,
    evaluate_boxes,
    summarise_boxes,
)
from advent_dist.parallel.world import World
from advent_dist.runs.detection.trained import load_detector
from advent_dist.runs.judging_images import images_to_score
from advent_dist.runs.trained import available_device
from advent_dist.types import BoxEvaluationBatch


def score_detector(
    urls: Sequence[str], which: str, folder: str | None = None, view: View | None = None
) -> BoxEvaluation:
    """Evaluate a detector; see `runs.scoring.score`."""
    device = available_device()
    run = load_detector(urls, which, device, view)
    loader: EvaluationLoader[BoxEvaluationBatch] = images_to_score(
        run.experiment.data, run.classes, urls[0], folder, device
    )
    counts = evaluate_boxes(
        run.detector, run.detector.decode, loader, run.classes.num_classes, device
    )
    loader.require_little_damage(loader.skipped)
    return summarise_boxes(
        counts.gather(World()), run.classes, loader.skipped, labelled=loader.labelled
    )
