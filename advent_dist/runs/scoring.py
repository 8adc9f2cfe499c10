"""Trained runs on shards, labelled or not, to numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from advent_dist.config import Size, View
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.errors import DataError
from advent_dist.evaluation.counts import Evaluation, evaluate, summarise
from advent_dist.evaluation.detection.evaluate import BoxEvaluation
from advent_dist.evaluation.overlap import Overlaps
from advent_dist.evaluation.per_image import overlaps_of
from advent_dist.report import RunRecord
from advent_dist.runs.detection.scoring import score_detector
from advent_dist.runs.detection.trained import is_detector
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.judging_images import images_to_score
from advent_dist.runs.trained import available_device, load_runs, require_same_classes


def score(
    urls: list[str],
    which: str,
    folder: str | None = None,
    view: View | None = None,
) -> Evaluation | BoxEvaluation:
    """Evaluate one run, or the ensemble of several of segmenters.

    Args:
        urls: Run folders.
        which: `last` or `best` checkpoint.
        folder: Shards; none takes the images that the first run was evaluated on.
        view: See `load_runs`.

    Raises:
        ConfigError: no such view can be.
        DamageError: more samples were skipped than `data.max_damaged_fraction` allows.
    """
    if is_detector(urls[0]):
        return score_detector(urls, which, folder, view)
    device = available_device()
    runs = load_runs(urls, which, device, view)
    loader: EvaluationLoader = images_to_score(
        runs[0].experiment.data, runs[0].classes, urls[0], folder, device
    )
    counts = evaluate([run.predictor for run in runs], loader, runs[0].classes.num_classes, device)
    loader.require_little_damage(loader.skipped)
    return summarise(counts, runs[0].classes, loader.skipped, labelled=loader.labelled)


def rescored(record: RunRecord, folder: str) -> RunRecord:
    """A run with the scores of its snapshots on other images.

    Args:
        record: The run.
        folder: Shards.
    """
    checkpoints = RunFolder.open(record.url).summary().get("checkpoints", {})
    evaluations: dict[str, dict[str, Any]] = {}
    scores: dict[str | None, dict[str, Any]] = {}
    for which, before in record.evaluations.items():
        checkpoint = checkpoints.get(which)
        if checkpoint not in scores:  # the last one is often the best, too
            scores[checkpoint] = score([record.url], which, folder).to_json()
        evaluations[which] = {"step": before["step"], **scores[checkpoint]}
    return replace(record, evaluations=evaluations)


def score_images(
    sides: Sequence[Sequence[str]],
    which: str,
    folder: str | None = None,
    view: View | None = None,
) -> tuple[list[Overlaps], tuple[str, ...]]:
    """Score several sides on the same images, image by image, each as `score` does it by itself.

    Images are read once for all sides that see them at one size.

    Args:
        sides: Of each the folder of a run, or of several that are an ensemble.
        which: `last` or `best` checkpoint.
        folder: Shards; none takes the images that the first run was evaluated on.
        view: See `load_runs`.

    Returns:
        The counts of each side, and the names of the classes.

    Raises:
        ConfigError: no such view can be.
        DataError: the images have no labels.
        CheckpointError: the runs predict different classes.
        DamageError: more samples were skipped than `data.max_damaged_fraction` allows.
    """
    device = available_device()
    runs = [load_runs(list(side), which, device, view) for side in sides]
    require_same_classes([side[0] for side in sides], [side[0] for side in runs])
    first = runs[0][0].experiment.data
    by_size: dict[Size, list[int]] = {}
    for number, side in enumerate(runs):
        by_size.setdefault(side[0].experiment.data.evaluation_size, []).append(number)
    found: dict[int, Overlaps] = {}
    classes = runs[0][0].classes
    for size, numbers in by_size.items():
        data = replace(first, evaluation_size=size, evaluation_window=None, evaluation_stride=None)
        loader: EvaluationLoader = images_to_score(data, classes, sides[0][0], folder, device)
        if not loader.labelled:
            raise DataError(
                f"{loader.url.rstrip('/')} has no labels, and only labels tell which run is "
                "better; give a folder of labelled target images (--data)"
            )
        predictors = [[run.predictor for run in runs[number]] for number in numbers]
        counted = overlaps_of(predictors, loader, classes.num_classes, device)
        loader.require_little_damage(loader.skipped)
        found |= dict(zip(numbers, counted, strict=True))
    return [found[number] for number in range(len(sides))], classes.names
