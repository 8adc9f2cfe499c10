"""Which samples come when, if images with rare classes are to come more often.

Rare class sampling (DAFormer, arXiv 2111.14887, section 3.2): each position of the sequence draws a
class c with probability P(c) = softmax((1 - f_c) / T), f_c being its share of all labelled pixels,
and then, uniformly, an image with more than so many pixels of c. As with every order, that depends
on the seed, the epoch and the position only: a run goes on to the sample, on any number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from advent_dist.data.assign import Portion, draws

_PORTION = 16
"""Positions whose samples are read together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RareOrder:
    """The sequence of every epoch, which has as many positions as there are samples."""

    block_sizes: tuple[int, ...]
    """Samples in each block."""

    seed: int
    """0 or more; each data set of a run has one of its own."""

    pixels: npt.NDArray[np.int64]
    """[samples, C]: of each class in each sample."""

    temperature: float
    """T: the smaller, the more often the rarest classes."""

    min_pixels: int
    """An image counts for a class of which it has more pixels than these."""

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """[C], of drawing each class; 0 for those that no image has enough pixels of."""
        has_images = np.array([len(numbers) > 0 for numbers in self._samples])
        return class_probabilities(self.pixels.sum(0), self.temperature, has_images)

    @cached_property
    def _samples(self) -> list[npt.NDArray[np.int64]]:
        """The numbers of the samples of each class."""
        enough = self.pixels > self.min_pixels
        return [np.flatnonzero(column) for column in enough.T]

    def portions(self, epoch: int, start: int, stop: int) -> Iterator[Portion]:
        """The samples at positions `start` up to, not including, `stop` of an epoch's sequence."""
        ends = np.cumsum(self.block_sizes)
        steps = np.cumsum(self.probabilities)
        for number in range(start // _PORTION, -(-stop // _PORTION)):
            begin = number * _PORTION
            uniform = draws(2 * _PORTION, self.seed, epoch, number).reshape(_PORTION, 2)
            wanted = np.searchsorted(steps / steps[-1], uniform[:, 0], side="right")
            positions = range(max(start, begin), min(stop, begin + _PORTION))
            picks, classes = [], []
            for position in positions:
                one = int(wanted[position - begin])
                numbers = self._samples[one]
                sample = int(numbers[int(uniform[position - begin, 1] * len(numbers))])
                block = int(np.searchsorted(ends, sample, side="right"))
                picks.append((block, sample - int(ends[block]) + self.block_sizes[block]))
                classes.append(one)
            yield Portion(epoch, tuple(picks), tuple(zip(positions, classes, strict=True)))


def class_probabilities(
    pixels: npt.NDArray[np.int64], temperature: float, allowed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """P(c) over the classes that are allowed and have pixels.

    Args:
        pixels: [C], of each class over all samples.
        temperature: T.
        allowed: [C].
    """
    share = pixels / max(1, pixels.sum())
    exponents = np.where(allowed & (pixels > 0), (1 - share) / temperature, -np.inf)
    if np.isneginf(exponents).all():
        return np.zeros(len(pixels))
    weights = np.exp(exponents - exponents.max())
    probabilities: npt.NDArray[np.float64] = weights / weights.sum()
    return probabilities
