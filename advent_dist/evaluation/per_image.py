"""Counts the pixels of each image by itself, of several models on the same images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int64, Integer
from torch import Tensor

from advent_dist.evaluation.counts import Predictor, mean_logits
from advent_dist.evaluation.metrics import confusion_matrix, overlap, require_train_ids
from advent_dist.evaluation.overlap import Overlaps
from advent_dist.types import EvaluationBatch


def overlaps_of(
    sides: Sequence[Sequence[Predictor]],
    batches: Iterable[EvaluationBatch],
    num_classes: int,
    device: torch.device,
) -> list[Overlaps]:
    """What each side predicts of the same images; the caller has put the models into eval mode.

    Args:
        sides: each one model, or several that are an ensemble.
        batches: labelled images; gone through once.
        num_classes: C.
        device: where the models are.

    Returns:
        One for each side.

    Raises:
        DataError: a label is of no class.
    """
    keys: list[str] = []
    counts: list[list[Tensor]] = [[] for _ in sides]
    with torch.no_grad():
        for batch in batches:
            keys += batch.keys
            require_train_ids(batch.label, num_classes)
            image = batch.image.to(device, non_blocking=True)
            label = batch.label.to(device, non_blocking=True)
            size = (label.shape[1], label.shape[2])
            for found, predictors in zip(counts, sides, strict=True):
                # PyTorch's argmax takes six times as long as this on a CPU.
                prediction = mean_logits(predictors, image, size).max(1).indices
                found.append(_each(prediction, label, num_classes))
    return [
        Overlaps(
            keys=tuple(keys),
            intersection=_rows([one[:, 0] for one in found]),
            union=_rows([one[:, 1] for one in found]),
        )
        for found in counts
    ]


def _each(
    prediction: Int64[Tensor, "n h w"], label: Integer[Tensor, "n h w"], num_classes: int
) -> Int64[Tensor, "n 2 c"]:
    """Intersection and union of each image's classes."""
    images = zip(prediction, label, strict=True)
    confusions = torch.stack([confusion_matrix(*image, num_classes) for image in images])
    return torch.stack(overlap(confusions), 1)


def _rows(batches: Sequence[Tensor]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for batch in batches for row in batch.tolist())
