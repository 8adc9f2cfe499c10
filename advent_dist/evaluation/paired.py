"""By how much one model is better than another, and how sure that is.

Two things are drawn by chance: the images that both are scored on, and the seeds that they were
trained with. The 95 % interval of a difference has the variance of both. That of the images comes
from the delete-one jackknife (Efron and Stein, The Jackknife Estimate of Variance, Annals of
Statistics 1981), which suits an IoU, a ratio of sums: all counts are added up anew without one
image. That of the seeds is the sample variance of their differences. Student's quantile is taken at
degrees of freedom between those of the images and those of the seeds. Satterthwaite's (An
Approximate Distribution of Estimates of Variance Components, Biometrics Bulletin 1946) weigh their
inverses by the squared shares of the variance; with three seeds that makes intervals too short.
Shares that are not squared keep what 95 % promises: `benchmarks/interval_coverage.py` measures it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from advent_dist.errors import DataError
from advent_dist.evaluation.overlap import Overlaps

_Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A score of both models, in percent; nan where it can't be computed."""

    ours: float
    """Of the model that is judged, mean over the seeds."""

    theirs: float
    """Of the model that it is compared with."""

    low: float
    """Lower end of the 95 % interval of `difference`."""

    high: float
    """Its upper end."""

    @property
    def difference(self) -> float:
        """`ours` less `theirs`."""
        return self.ours - self.theirs

    def to_json(self) -> dict[str, float | None]:
        """All numbers, for json.dumps; nan, which JSON has not, becomes None."""
        numbers = {**asdict(self), "difference": self.difference}
        return {name: None if value != value else value for name, value in numbers.items()}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same images."""

    miou: Contrast
    """Mean IoU over the classes that occur, or that all models take something for."""

    per_class: dict[str, Contrast]
    """Class name -> IoU. Each interval is by itself: one in twenty misses."""

    images: int
    """Images with a labelled pixel."""

    seeds: int
    """Trainings of each model; of one, the interval knows nothing of other seeds."""

    share_of_seeds: float
    """Share of the variance of the difference of mIoU that is the seeds', in 0..1."""

    def to_json(self) -> dict[str, Any]:
        """All numbers, for json.dumps."""
        return {
            "miou": self.miou.to_json(),
            "per_class": {name: one.to_json() for name, one in self.per_class.items()},
            "images": self.images,
            "seeds": self.seeds,
            "share_of_seeds": self.share_of_seeds,
        }


def compare(
    ours: Sequence[Overlaps], theirs: Sequence[Overlaps], names: Sequence[str]
) -> Comparison:
    """Compare two models, each trained with k >= 1 seeds, seed by seed on the same images.

    Args:
        ours: k of the model that is judged, a seed each.
        theirs: k of the other, in the same order.
        names: of the C classes.

    Raises:
        DataError: they are of other images or classes, or fewer than two images are labelled.
    """
    first = ours[0]
    if any(one.keys != first.keys for one in (*ours, *theirs)):
        raise DataError("the runs were scored on other images; score them on the same ones")
    sides = [[_arrays(one, len(names)) for one in side] for side in (ours, theirs)]
    return compare_counts(np.array(sides), names)


def compare_counts(pixels: NDArray[np.int64], names: Sequence[str]) -> Comparison:
    """The same of counts.

    Args:
        pixels: int64 [2, k, 2, n, C]: ours and theirs, seeds, intersection and union, images,
            classes.
        names: of the classes.

    Raises:
        DataError: fewer than two images are labelled.
    """
    labelled = (pixels[:, :, 1] > 0).any((0, 1, 3))
    if labelled.sum() < 2:
        raise DataError(
            f"{labelled.sum()} of {labelled.size} images have a labelled pixel, but an interval "
            "needs two; score more labelled images"
        )
    pixels = pixels[:, :, :, labelled]
    _, seeds, _, images, _ = pixels.shape
    occurs = (pixels[:, :, 1] > 0).any((0, 1)).sum(0)
    with warnings.catch_warnings():
        # What can't be computed is nan.
        warnings.simplefilter("ignore", RuntimeWarning)
        totals = pixels.sum(3, keepdims=True)
        scores, without_one = _scores(totals)[:, :, 0], _scores(totals - pixels)
        half, share = _half_width(
            scores[0] - scores[1],
            without_one[0] - without_one[1],
            np.array([*occurs, images]) - 1,
        )
    found = [
        Contrast(ours=one, theirs=other, low=one - other - width, high=one - other + width)
        for one, other, width in zip(*scores.mean(1).tolist(), half.tolist(), strict=True)
    ]
    return Comparison(
        miou=found[-1],
        per_class=dict(zip(names, found[:-1], strict=True)),
        images=images,
        seeds=seeds,
        share_of_seeds=float(share[-1]),
    )


def _arrays(one: Overlaps, num_classes: int) -> NDArray[np.int64]:
    """Intersection and union: int64 [2, n, C]."""
    arrays = np.array([one.intersection, one.union], np.int64)
    if arrays.shape[-1] != num_classes:
        raise DataError(f"counts of {arrays.shape[-1]} classes, where there are {num_classes}")
    return arrays


def _scores(pixels: NDArray[np.int64]) -> _Numbers:
    """IoU of each class and then their mean, in percent: [2, k, 2, n, C] -> [2, k, n, C + 1].

    The mean is over classes that are in all unions, as every class with a label is. One that some
    model alone has, of pixels that are wrong, would be in its mean and not in the others'.
    """
    ious = 100 * pixels[:, :, 0] / pixels[:, :, 1]
    in_all = (pixels[:, :, 1] > 0).all((0, 1))
    mean = np.nanmean(np.where(in_all, ious, np.nan), -1, keepdims=True)
    return np.concatenate([ious, mean], -1)


def _half_width(
    estimate: _Numbers, changes: _Numbers, freedom: NDArray[np.int64]
) -> tuple[_Numbers, _Numbers]:
    """Half of the 95 % interval's width.

    Args:
        estimate: [k, m], the difference of m scores with each seed.
        changes: [k, n, m], the same without each image.
        freedom: [m], degrees of freedom of the images.

    Returns:
        [m] points, and [m] the seeds' share of the variance.
    """
    seeds = len(estimate)
    of_images = _jackknife(changes.mean(0))
    of_seeds = np.zeros_like(of_images)
    if seeds > 1:
        of_seeds = estimate.var(0, ddof=1) / seeds
        # What seeds make of single images is in both variances: it is taken out of one.
        each = _jackknife(changes.swapaxes(0, 1)).mean(0)
        twice = np.maximum(each - of_images, 0) / (seeds - 1)
        of_images = np.maximum(of_images - twice, 0)
    variance = of_images + of_seeds
    share = np.divide(of_seeds, variance, out=np.zeros_like(variance), where=variance > 0)
    inverse = (1 - share) / freedom + share / max(seeds - 1, 1)
    return np.sqrt(variance) * stdtrit(1 / inverse, 0.975), share


def _jackknife(without_one: _Numbers) -> _Numbers:
    """Variance of an estimate from its values without each of n images: [n, ...] -> [...]."""
    n = len(without_one)
    spread: _Numbers = (n - 1) * without_one.var(0)
    return spread
