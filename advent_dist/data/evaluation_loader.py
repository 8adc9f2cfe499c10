"""What an evaluation iterates over: each image of a folder once, over all ranks."""

from __future__ import annotations

from collections.abc import Generator
from typing import Generic, cast

from typing_extensions import TypeVar

from advent_dist.config import DataConfig
from advent_dist.data.assign import evenly, part
from advent_dist.data.labels import require_labels
from advent_dist.data.opening import open_shards
from advent_dist.data.pipeline import EvaluationPipeline
from advent_dist.data.slots import Batch
from advent_dist.data.store import folder_url
from advent_dist.data.stream import Readers
from advent_dist.data.traffic import SKIPPED
from advent_dist.errors import DamageError
from advent_dist.types import BoxEvaluationBatch, EvaluationBatch

E = TypeVar("E", EvaluationBatch, BoxEvaluationBatch, default=EvaluationBatch)


class EvaluationLoader(Generic[E]):
    """A rank's part of a folder: over all ranks each sample once, in the shards' order.

    Batches are `EvaluationBatch`, or `BoxEvaluationBatch` where `data.labels` is boxes, whose
    loader is an `EvaluationLoader[BoxEvaluationBatch]`.

    Its workers stay for the next iteration, until `close`. There is one iteration at a time: the
    next ends the one before.

    Args:
        data: evaluation size, batch size and class set.
        folder: shard folder, absolute or relative to `data.root`.
        rank: this process among those that evaluate.
        world_size: number of processes that evaluate.
        labelled: whether labels are read, which must be there then; None reads those that are.
        most: so many samples, evenly spread over the folder, are all; None takes each.
        pinned: whether batches are for a GPU; see `Readers`.

    Raises:
        DataError: shards are missing, unlabelled, all void, damaged or do not fit the config.
    """

    labelled: bool
    """Whether the samples have labels."""

    num_samples: int
    """Samples of all ranks together."""

    url: str
    """Where its shards lie."""

    skipped: int
    """Damaged samples left out by the last iteration so far."""

    def __init__(
        self,
        data: DataConfig,
        folder: str,
        *,
        rank: int,
        world_size: int,
        labelled: bool | None = True,
        most: int | None = None,
        pinned: bool = False,
    ) -> None:
        self.manifest, decoder = open_shards(data, folder, labelled=labelled, training=False)
        self.labelled = decoder.reader.labelled
        self._boxed = data.labels == "boxes"
        if self.labelled:
            require_labels(self.manifest, data.labels, folder_url(data, folder))
        self.skipped = 0
        self.url = folder_url(data, folder)
        self._max_damaged_fraction = data.max_damaged_fraction
        numbers = evenly(self.manifest.num_samples, most)
        self.num_samples = len(numbers)
        start, stop = part(self.num_samples, rank, world_size)
        pipeline = EvaluationPipeline(
            decoder=decoder,
            size=data.evaluation_size,
            batch_size=data.evaluation_batch_size_per_rank,
            numbers=numbers[start:stop],
        )
        workers = data.workers_per_rank
        self._readers = Readers(
            lambda worker, *_: pipeline.batches(worker, max(workers, 1)), workers, pinned=pinned
        )

    def start(self) -> None:
        """Fork the workers, which then wait for an iteration to begin."""
        self._readers.start()

    def close(self) -> None:
        """Stop the workers, and an iteration that is not through."""
        self._readers.close()

    def __iter__(self) -> Generator[E, None, None]:
        self.skipped = 0
        for batch in self._readers.read(None):
            self.skipped += batch.traffic[SKIPPED]
            if batch.keys:
                yield cast(E, _boxed(batch) if self._boxed else _mapped(batch))

    def require_little_damage(self, skipped: int) -> None:
        """Refuse a score that too many samples are missing from.

        Each reader alone may have been below the limit.

        Args:
            skipped: the damaged samples left out by all ranks.

        Raises:
            DamageError: that is a larger share than `data.max_damaged_fraction`.
        """
        if skipped > self._max_damaged_fraction * self.num_samples:
            raise DamageError(
                f"{self.url}: {skipped} of {self.num_samples} samples were skipped, more than "
                f"data.max_damaged_fraction = {self._max_damaged_fraction:g} allows; copy or build "
                "the damaged shards again (the log names them)"
            )


def _mapped(batch: Batch) -> EvaluationBatch:
    assert batch.label is not None, "an evaluation has labels, be they all ignored"
    return EvaluationBatch(image=batch.image, label=batch.label, keys=batch.keys)


def _boxed(batch: Batch) -> BoxEvaluationBatch:
    return BoxEvaluationBatch(
        image=batch.image, sizes=batch.sizes, boxes=batch.boxes, keys=batch.keys
    )


def target_images(
    data: DataConfig, *, rank: int, world_size: int, pinned: bool = False
) -> EvaluationLoader[E]:
    """What a run is evaluated on: `data.evaluation`, or else some of `data.target`, unlabelled.

    Args:
        data: the folders.
        rank: this process among those that evaluate.
        world_size: number of processes that evaluate.
        pinned: whether batches are for a GPU; see `Readers`.

    Raises:
        DataError: see `EvaluationLoader`.
    """
    if data.evaluation is not None:
        return EvaluationLoader(
            data, data.evaluation, rank=rank, world_size=world_size, labelled=None, pinned=pinned
        )
    return EvaluationLoader(
        data,
        data.target,
        rank=rank,
        world_size=world_size,
        labelled=False,
        most=data.evaluation_images,
        pinned=pinned,
    )
