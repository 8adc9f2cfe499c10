"""How far a training stream has come, and how to go on from there: pure integers, no I/O.

Consumers are ranks x workers. In each epoch every consumer has a part of what remains of the
sequence. When it is through it goes on with its part of the next epoch, without waiting for the
others: so several epochs may be open at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from advent_dist.data.assign import Range, length, part, take
from advent_dist.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Position:
    """What is still to be read."""

    epoch: int = 0
    """First epoch of which something remains."""

    remaining: tuple[tuple[Range, ...], ...] = ()
    """Ranges of the sequence that remain of `epoch`, `epoch + 1`, ...; later ones remain whole."""

    def of(self, epoch: int, num_samples: int) -> tuple[Range, ...]:
        """What remains of an epoch, ascending."""
        place = epoch - self.epoch
        return self.remaining[place] if place < len(self.remaining) else ((0, num_samples),)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training with one number of ranks and workers and one batch size."""

    num_samples: int
    """Samples N of the data set."""

    ranks: int
    """Processes that train."""

    workers: int
    """Readers of each rank; worker k yields the rank's batches k, k + workers, ..."""

    batch_size: int
    """Samples in a batch of a rank."""

    start: Position = Position()
    """What was to be read when the phase began."""

    batches: int = 0
    """Batches that each rank has taken since."""

    def ranges(self, rank: int, worker: int) -> Iterator[tuple[int, Range]]:
        """What a consumer reads from now on, without end: (epoch, range of its sequence)."""
        skip = self._samples_taken(worker)
        epoch = self.start.epoch
        while True:
            mine = self._part(rank * self.workers + worker, epoch)
            size = length(mine)
            for piece in take(mine, skip, size):
                yield epoch, piece
            skip = max(skip - size, 0)
            epoch += 1

    def position(self) -> Position:
        """What all consumers together have left to read."""
        progress = [
            next(self.ranges(rank, worker))
            for rank in range(self.ranks)
            for worker in range(self.workers)
        ]
        first = min(epoch for epoch, _ in progress)
        # Consumers of an earlier phase may have been further ahead than those of this one are.
        opened = self.start.epoch + len(self.start.remaining)
        end = max(opened, 1 + max(epoch for epoch, _ in progress))
        left = tuple(self._left(epoch, progress) for epoch in range(first, end))
        return Position(epoch=first, remaining=left)

    def continued_as(self, fresh: Phase) -> Phase:
        """This phase if `fresh` has the same shape, else `fresh` with what remains to be read.

        Raises:
            DataError: the data set has another number of samples.
        """
        if fresh.num_samples != self.num_samples:
            raise DataError(
                f"the checkpoint was written with {self.num_samples} samples, but the shards hold "
                f"{fresh.num_samples}; resume with the shards it was trained on, or start anew"
            )
        if replace(self, start=fresh.start, batches=0) == fresh:
            return self
        return replace(fresh, start=self.position())

    def advanced(self, batches: int) -> Phase:
        """The phase after each rank has taken `batches` more."""
        return replace(self, batches=self.batches + batches)

    def to_state(self) -> dict[str, Any]:
        """A JSON-able dict."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Phase:
        """The inverse of `to_state`, before or after a trip through JSON."""
        start = state["start"]
        remaining = tuple(tuple((a, b) for a, b in ranges) for ranges in start["remaining"])
        return cls(**{**state, "start": Position(epoch=start["epoch"], remaining=remaining)})

    def _samples_taken(self, worker: int) -> int:
        turns, rest = divmod(self.batches, self.workers)
        return (turns + (worker < rest)) * self.batch_size

    def _part(self, consumer: int, epoch: int) -> tuple[Range, ...]:
        remaining = self.start.of(epoch, self.num_samples)
        consumers = self.ranks * self.workers
        # Parts differ by one sample: taking turns keeps the consumers abreast over many epochs.
        low, high = part(length(remaining), (consumer + epoch) % consumers, consumers)
        return take(remaining, low, high)

    def _left(self, epoch: int, progress: list[tuple[int, Range]]) -> tuple[Range, ...]:
        """What the consumers, each at its (epoch, range), have left of an epoch."""
        left: list[Range] = []
        for consumer, (current, (start, _)) in enumerate(progress):
            if current <= epoch:
                own = self._part(consumer, epoch)
                left += (
                    own if current < epoch else [(max(a, start), b) for a, b in own if b > start]
                )
        return _merged(left)


def _merged(ranges: list[Range]) -> tuple[Range, ...]:
    merged: list[Range] = []
    for start, stop in sorted(ranges):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return tuple(merged)
