"""The part of an evaluation that needs labels: how right the predictions are, and where wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float64, Int64, Integer
from torch import Tensor

from advent_dist.data.classes import ClassSet
from advent_dist.errors import DataError
from advent_dist.evaluation.certainty import Certainty
from advent_dist.evaluation.metrics import auroc, confusion_matrix, histogram, iou, mean_iou
from advent_dist.evaluation.sums import Sums
from advent_dist.types import IGNORE_INDEX

ENTROPY_BINS = 1024
"""Bins of the entropy histograms, even in the fourth root of the entropy: a confident model's
pixels crowd near 0, and the AUROC, which only knows the order, must still tell them apart."""

BOUNDARY_RADIUS = 2
"""Pixels from a pixel of another class within which a pixel belongs to the boundary."""


@dataclass(frozen=True, kw_only=True)
class LabelSums(Sums):
    """Sums over the labelled pixels; zeros where no pixel has a label."""

    confusion: Int64[Tensor, "c c"]
    """Pixels; rows = label, columns = prediction."""

    correct: Int64[Tensor, " bins"]
    """Histogram of the entropy at correctly predicted pixels."""

    wrong: Int64[Tensor, " bins"]
    """Histogram of the entropy at wrongly predicted pixels."""

    boundary_entropy: Float64[Tensor, ""]
    """Sum of the entropy over the pixels of `metrics.boundary_mask`."""

    boundary_pixels: Int64[Tensor, ""]
    """How many those are."""

    interior_entropy: Float64[Tensor, ""]
    """Sum of the entropy over the other pixels."""

    interior_pixels: Int64[Tensor, ""]
    """How many those are."""

    @classmethod
    def zeros(cls, num_classes: int, device: torch.device) -> LabelSums:
        """The sums of no pixel at all."""
        integers = partial(torch.zeros, dtype=torch.int64, device=device)
        real = partial(torch.zeros, dtype=torch.float64, device=device)
        return cls(
            confusion=integers((num_classes, num_classes)),
            correct=integers(ENTROPY_BINS),
            wrong=integers(ENTROPY_BINS),
            boundary_entropy=real(()),
            boundary_pixels=integers(()),
            interior_entropy=real(()),
            interior_pixels=integers(()),
        )

    @classmethod
    def of(
        cls,
        certainty: Certainty,
        label: Integer[Tensor, "n h w"],
        boundary: Bool[Tensor, "n h w"],
    ) -> LabelSums:
        """Those of some rows of images.

        Args:
            certainty: what is predicted there.
            label: train ids or 255.
            boundary: `boundary_mask` of whole images, in these rows.
        """
        prediction, entropy, probability = certainty
        labelled = label != IGNORE_INDEX
        interior = labelled & ~boundary
        # What is not finite has to reach `criteria_of`, on all ranks, to be told there.
        finite = entropy.nan_to_num(1.0)
        bins = (finite.sqrt().sqrt_() * ENTROPY_BINS).int().clamp_(max=ENTROPY_BINS - 1)
        # One histogram of [correct | wrong | ignored].
        part = (prediction != label).int().masked_fill_(~labelled, 2)
        bins = bins.add_(part, alpha=ENTROPY_BINS)
        correct, wrong, _ = histogram(bins, 3 * ENTROPY_BINS).chunk(3)
        return cls(
            confusion=confusion_matrix(prediction, label, len(probability)),
            correct=correct,
            wrong=wrong,
            boundary_entropy=(entropy * boundary).sum(dtype=torch.float64),
            boundary_pixels=boundary.sum(),
            interior_entropy=(entropy * interior).sum(dtype=torch.float64),
            interior_pixels=interior.sum(),
        )


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How right a model is. What can't be computed (a class that never occurs) is nan."""

    miou: float
    """Mean IoU over the classes that occur, in percent."""

    per_class: dict[str, float]
    """Class name -> IoU in percent."""

    subsets: dict[str, float]
    """Name of a class subset, such as "13" -> mean IoU in percent."""

    pixel_accuracy: float
    """Share of the labelled pixels that are predicted correctly, in percent."""

    boundary_entropy: float
    """Mean entropy of the labelled pixels within 2 pixels of another class, in 0..1."""

    interior_entropy: float
    """Mean entropy of the other labelled pixels, in 0..1."""

    error_auroc: float
    """Area under the ROC curve of the entropy as a detector of wrong pixels, in 0..1."""


def accuracy_of(sums: LabelSums, classes: ClassSet) -> Accuracy:
    """The numbers that sums over all ranks stand for.

    Raises:
        DataError: no pixel is labelled.
    """
    confusion = sums.confusion
    if confusion.sum() == 0:
        raise DataError(
            "no pixel of the evaluation images has a label: are they built with the labels of "
            "another class set? see data.evaluation, data.classes and advent-dist shards show"
        )
    per_class = iou(confusion).tolist()
    return Accuracy(
        miou=mean_iou(confusion).item(),
        per_class=dict(zip(classes.names, per_class, strict=True)),
        subsets={
            name: mean_iou(confusion, subset).item() for name, subset in classes.subsets.items()
        },
        pixel_accuracy=(100 * confusion.trace() / confusion.sum()).item(),
        boundary_entropy=(sums.boundary_entropy / sums.boundary_pixels).item(),
        interior_entropy=(sums.interior_entropy / sums.interior_pixels).item(),
        error_auroc=auroc(sums.wrong, sums.correct).item(),
    )
