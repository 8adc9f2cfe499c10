"""Trained detectors on shards, with boxes or without, to numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from advent_dist.config import View
from advent_dist.data.evaluation_loader import EvaluationLoader, target_images
from advent_dist.evaluation.detection.evaluate import (
    BoxEvaluation,
    evaluate_boxes,
    summarise_boxes,
)
from advent_dist.parallel.world import World
from advent_dist.runs.classes import require_agreement
from advent_dist.runs.detection.trained import load_detector
from advent_dist.runs.trained import available_device
from advent_dist.types import BoxEvaluationBatch


def score_detector(
    urls: Sequence[str], which: str, folder: str | None = None, view: View | None = None
) -> BoxEvaluation:
    """Evaluate a detector; see `runs.scoring.score`."""
    device = available_device()
    run = load_detector(urls, which, device, view)
    data = run.experiment.data
    if folder is not None:
        # Relative to where the command runs, as every path on a command line.
        data = replace(data, root=folder, evaluation="")
    loader: EvaluationLoader[BoxEvaluationBatch] = target_images(
        data, rank=0, world_size=1, pinned=device.type == "cuda"
    )
    others = loader.manifest.classes_of(data.labels)
    require_agreement(run.classes, urls[0], others, loader.url)
    counts = evaluate_boxes(
        run.detector, run.detector.decode, loader, run.classes.num_classes, device
    )
    loader.require_little_damage(loader.skipped)
    return summarise_boxes(
        counts.gather(World()), run.classes, loader.skipped, labelled=loader.labelled
    )
