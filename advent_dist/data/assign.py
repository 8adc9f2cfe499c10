"""Which samples come when: pure integers, no I/O.

A data set is a list of blocks. The *sequence* of an epoch is a permutation of all N samples that
depends on the seed and the epoch only, never on the number of ranks or workers:

    blocks 0..5    permuted: 3 0 5 1 4 2    in windows of 4: [3 0 5 1] [4 2]

Within a window the samples of its blocks are permuted, so a reader holds one window of blocks, and
the next. It reads contiguous ranges of the sequence and so shares few blocks with other readers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Range = tuple[int, int]
"""Half-open range of positions in a sequence."""

_BLOCKS, _WINDOW, _AUGMENT, _RARE = range(4)


class Portion(NamedTuple):
    """Samples that are read together, in order."""

    epoch: int
    """Epoch they belong to."""

    picks: tuple[tuple[int, int], ...]
    """(block, index in the block) of each sample."""

    drawn: tuple[tuple[int, int], ...] | None = None
    """(position, class) that each was drawn for, where samples may come several times an epoch."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """The shuffled sequence of every epoch of a data set."""

    block_sizes: tuple[int, ...]
    """Samples in each block."""

    seed: int
    """0 or more; each data set of a run has one of its own."""

    window: int = 4
    """Blocks whose samples are mixed. More mix better and take more memory."""

    def portions(self, epoch: int, start: int, stop: int) -> Iterator[Portion]:
        """The samples at positions `start` up to, not including, `stop` of an epoch's sequence."""
        sizes = np.asarray(self.block_sizes)
        blocks = _permutation(len(sizes), self.seed, _BLOCKS, epoch, 0)
        begin = 0
        for number in range(0, len(blocks), self.window):
            window = blocks[number : number + self.window]
            ends = np.cumsum(sizes[window])
            low, high = max(start - begin, 0), min(stop - begin, int(ends[-1]))
            if low < high:
                order = _permutation(int(ends[-1]), self.seed, _WINDOW, epoch, number)[low:high]
                place = np.searchsorted(ends, order, side="right")
                index = order - (ends - sizes[window])[place]
                picks = zip(window[place].tolist(), index.tolist(), strict=True)
                yield Portion(epoch, tuple(picks))
            begin += int(ends[-1])


def in_file_order(block_sizes: tuple[int, ...], numbers: Sequence[int]) -> Iterator[Portion]:
    """Samples of ascending numbers, as the shards hold them, block by block."""
    ends = list(accumulate(block_sizes))
    for block, group in groupby(numbers, key=lambda number: bisect_right(ends, number)):
        first = ends[block] - block_sizes[block]
        yield Portion(0, tuple((block, number - first) for number in group))


def evenly(total: int, most: int | None) -> Sequence[int]:
    """At most so many numbers of range(total), ascending and evenly spread; None: all of them."""
    if most is None or most >= total:
        return range(total)
    return [(2 * place + 1) * total // (2 * most) for place in range(most)]


def part(total: int, index: int, parts: int) -> Range:
    """The `index`-th of `parts` contiguous parts of range(total), equal up to 1 and in order."""
    return total * index // parts, total * (index + 1) // parts


def take(ranges: Iterable[Range], low: int, high: int) -> tuple[Range, ...]:
    """Elements `low` up to, not including, `high` of the concatenated ranges, as ranges."""
    taken, begin = [], 0
    for start, stop in ranges:
        first = start + max(low - begin, 0)
        last = min(stop, start + high - begin)
        if first < last:
            taken.append((first, last))
        begin += stop - start
    return tuple(taken)


def length(ranges: Iterable[Range]) -> int:
    """Number of elements in the ranges."""
    return sum(stop - start for start, stop in ranges)


def augmentation_rng(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """The generator of one sample's random changes in one epoch, whoever reads it."""
    return np.random.Generator(np.random.PCG64(_entropy(seed, _AUGMENT, epoch, sample)))


def draws(count: int, seed: int, epoch: int, window: int) -> npt.NDArray[np.float64]:
    """Uniform in [0, 1), of a window of an order that draws."""
    # Of raw draws, for the same reason as in `_permutation`; 53 bits are a float64's.
    raw = np.random.PCG64(_entropy(seed, _RARE, epoch, window)).random_raw(count)
    return np.asarray(raw >> np.uint64(11), np.float64) * 2.0**-53


def _entropy(*numbers: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(numbers)


def _permutation(size: int, *numbers: int) -> npt.NDArray[np.int64]:
    # Sorting raw 64-bit draws, rather than Generator.permutation, whose algorithm numpy may change:
    # a resumed run must find the sequence that it left.
    return np.argsort(np.random.PCG64(_entropy(*numbers)).random_raw(size), kind="stable")
