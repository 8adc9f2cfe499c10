"""From pixels to numbers: confusion matrix, IoU, AUROC.

Counts are added up over batches and ranks first, and ratios are taken last. An IoU is in percent,
as papers print it: 43.8, not 0.438.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float64, Int64, Integer, UInt8
from torch import Tensor

from advent_dist.errors import DataError
from advent_dist.types import IGNORE_INDEX


def confusion_matrix(
    prediction: Integer[Tensor, "*shape"], label: Integer[Tensor, "*shape"], num_classes: int
) -> Int64[Tensor, "c c"]:
    """Count the pixels of each pair of label and prediction; pixels labelled 255 count nowhere.

    Args:
        prediction: train ids in 0..num_classes-1.
        label: train ids in 0..num_classes-1, or 255; see `require_train_ids`.
        num_classes: C.

    Returns:
        int64 [C, C]; the row is the label, the column the prediction.
    """
    # Ignored pixels fall into a row of their own, which costs less than selecting the others.
    rows = (label.int() + 1).masked_fill_(label == IGNORE_INDEX, 0)
    pairs = rows.mul_(num_classes).add_(prediction)
    counts = histogram(pairs, (num_classes + 1) * num_classes)
    return counts[num_classes:].reshape(num_classes, num_classes)


def require_train_ids(label: UInt8[Tensor, "*shape"], num_classes: int) -> None:
    """Refuse labels of other classes, before they are on a GPU, which would have to be waited for.

    Args:
        label: of the CPU.
        num_classes: C.

    Raises:
        DataError: a label is neither a train id of the class set nor 255.
    """
    # As bytes, 255 + 1 is 0: a twentieth of the time of looking for both.
    if (label + 1).max() > num_classes:
        raise DataError(
            f"a label holds train ids beyond {num_classes - 1}: give data.classes the class set "
            "that the shards were built with"
        )


def histogram(values: Integer[Tensor, "*shape"], size: int) -> Int64[Tensor, " size"]:
    """How often each number below `size` is there. Nothing waits for the device.

    Args:
        values: in 0..size-1.
        size: of the histogram.
    """
    if values.is_cpu:
        return torch.bincount(values.flatten(), minlength=size)
    return scattered_histogram(values, size)


def scattered_histogram(values: Integer[Tensor, "*shape"], size: int) -> Int64[Tensor, " size"]:
    """The same: a GPU's `bincount` reads the largest value back, and a CPU's is faster than this.

    Sums of integers do not depend on their order.
    """
    places = values.flatten().long()
    counts = torch.zeros(size, dtype=torch.int64, device=values.device)
    return counts.scatter_add_(0, places, torch.ones_like(places))


def overlap(
    confusion: Int64[Tensor, "*n c c"],
) -> tuple[Int64[Tensor, "*n c"], Int64[Tensor, "*n c"]]:
    """Intersection and union of each class in pixels; sums over images are those of all of them.

    Args:
        confusion: int64 [..., C, C], rows = label.
    """
    intersection = confusion.diagonal(dim1=-2, dim2=-1)
    return intersection, confusion.sum(-2) + confusion.sum(-1) - intersection


def iou(confusion: Int64[Tensor, "c c"]) -> Float64[Tensor, " c"]:
    """Intersection over union of each class, in percent.

    Args:
        confusion: int64 [C, C], rows = label.

    Returns:
        float64 [C] in 0..100; nan for a class with neither labelled nor predicted pixels.
    """
    intersection, union = overlap(confusion)
    return 100 * intersection.double() / union


def mean_iou(
    confusion: Int64[Tensor, "c c"], subset: Sequence[int] | None = None
) -> Float64[Tensor, ""]:
    """Mean IoU over the classes that occur, in percent.

    A subset's mIoU (16 or 13 of 19) is the mean of its classes' IoU in the *full* matrix, as it is
    published: confusions with a class outside the subset still count against the class inside.

    Args:
        confusion: int64 [C, C], rows = label.
        subset: train ids to average over; none takes all.

    Returns:
        0-d float64 in 0..100; nan where no class of the subset occurs.
    """
    per_class = iou(confusion)
    return (per_class if subset is None else per_class[list(subset)]).nanmean()


def auroc(
    positives: Int64[Tensor, " bins"], negatives: Int64[Tensor, " bins"]
) -> Float64[Tensor, ""]:
    """Area under the ROC curve of a score, from histograms of it.

    It is the probability that a positive scores above a negative, where a tie (here: the same bin)
    counts half; equally, the trapezoid rule over the bins' thresholds.

    Args:
        positives: int64 [bins], positives in each bin, bins in rising order of the score.
        negatives: int64 [bins], negatives in each bin.

    Returns:
        0-d float64 in 0..1; nan without positives or without negatives.
    """
    positive, negative = positives.double(), negatives.double()
    negatives_below = negative.cumsum(0) - negative / 2
    return (positive * negatives_below).sum() / (positive.sum() * negative.sum())


def boundary_mask(label: Integer[Tensor, "n h w"], radius: int) -> Bool[Tensor, "n h w"]:
    """Pixels near the border of two classes.

    A pixel is one where it is labelled and the square of 2 * radius + 1 pixels around it holds a
    labelled pixel of another class. Ignored pixels neither are nor make a boundary.

    Args:
        label: [n, h, w], train ids or 255.
        radius: pixels between the centre and the edge of the square.

    Returns:
        bool [n, h, w].
    """
    labelled = label != IGNORE_INDEX
    # No train id is below 0, and none above 255: of ignored pixels neither can be the extreme.
    highest, lowest = label.masked_fill(~labelled, 0), label
    for axis in (-1, -2):
        highest = _extreme(highest, torch.maximum, radius, axis)
        lowest = _extreme(lowest, torch.minimum, radius, axis)
    return labelled.logical_and(highest > lowest)


def _extreme(
    values: Tensor, pick: Callable[..., Tensor], radius: int, axis: int
) -> Integer[Tensor, "n h w"]:
    """The largest or smallest of the values up to `radius` away along an axis, in their own dtype.

    A pooling layer would want them as floats, and takes PyTorch 30 times as long on a CPU.
    """
    length, found = values.shape[axis], values.clone()
    for away in range(1, min(radius, length - 1) + 1):
        here, there = (0, away), (away, 0)
        for start, other in (here, there):
            part = found.narrow(axis, start, length - away)
            pick(part, values.narrow(axis, other, length - away), out=part)
    return found
