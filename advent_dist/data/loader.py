"""What a training iterates over: paired batches of both domains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from advent_dist.config import DataConfig
from advent_dist.data.domain import DomainStream
from advent_dist.data.traffic import Traffic
from advent_dist.errors import DataError
from advent_dist.types import BoxBatch, DomainBatch, PairedImages

B = TypeVar("B", bound=PairedImages, default=DomainBatch)


class TrainingLoader(Iterator[B], Generic[B]):
    """The endless training batches of one rank.

    Each is a `DomainBatch`, or a `BoxBatch` where `data.labels` is boxes: then the loader is a
    `TrainingLoader[BoxBatch]`.

    Each domain goes through its samples in an order of its own, all ranks together seeing each
    sample once an epoch, and starts its next epoch when it is through, whatever the other does.

    Args:
        data: folders, sizes and batch size.
        rank: this process among those that train.
        world_size: number of processes that train.
        seed: 0 or more; of sample order and augmentation.
        state: what `state()` returned earlier, on any rank. With another world size, number of
            workers or batch size, exactly those samples follow that remained of the epoch.
        pinned: whether batches are for a GPU; see `Readers`.

    Raises:
        DataError: shards are missing, damaged or do not fit the config.
    """

    samples_read: int
    """Samples of each domain handed out since the loader was made."""

    def __init__(
        self,
        data: DataConfig,
        *,
        rank: int,
        world_size: int,
        seed: int,
        state: dict[str, Any] | None = None,
        pinned: bool = False,
    ) -> None:
        _require_one_size(data)
        self._seed = seed
        # Two seeds out of one, such that no two pairs (seed, domain) share a sequence.
        common: dict[str, Any] = {"rank": rank, "world_size": world_size, "pinned": pinned}
        self._source = DomainStream(data, "source", **common, seed=2 * seed)
        self._target = DomainStream(data, "target", **common, seed=2 * seed + 1)
        self.samples_read = 0
        self.source_manifest = self._source.manifest
        self.target_manifest = self._target.manifest
        if state is not None:
            self.go_on(state)

    def start(self) -> None:
        """Fork the workers, which then wait for the first batch to be asked for."""
        self._source.start()
        self._target.start()

    def go_on(self, state: dict[str, Any]) -> None:
        """Stand where `state` says; before the first batch.

        Raises:
            DataError: it is of another seed, or of shards of other samples.
        """
        if state["seed"] != self._seed:
            raise DataError(
                f"run.seed = {self._seed}, but the checkpoint was written with {state['seed']}, "
                "whose sample order it is in the middle of; resume with that"
            )
        self._source.go_on(state["source"])
        self._target.go_on(state["target"])

    def __next__(self) -> B:
        source, target = next(self._source), next(self._target)
        self.samples_read += len(source.keys)
        images: dict[str, Any] = {
            "source_image": source.image,
            "target_image": target.image,
            "source_keys": source.keys,
            "target_keys": target.keys,
        }
        if source.boxes is not None:
            return cast(B, BoxBatch(**images, source_boxes=source.boxes))
        assert source.label is not None, "the source is read with its labels"
        return cast(B, DomainBatch(**images, source_label=source.label))

    def state(self) -> dict[str, Any]:
        """Where both domains stand after the batches handed out so far.

        JSON-able, and equal on all ranks that took equally many batches.
        """
        return {
            "seed": self._seed,
            "source": self._source.phase.to_state(),
            "target": self._target.phase.to_state(),
        }

    def take_traffic(self) -> dict[str, Traffic]:
        """What reading each domain's batches took that were handed out since the last call."""
        return {"source": self._source.tally.take(), "target": self._target.tally.take()}

    def close(self) -> None:
        """Stop the workers."""
        self._source.close()
        self._target.close()


def _require_one_size(data: DataConfig) -> None:
    low, high = data.augment.scale
    if low != high and data.augment.crop is None and data.batch_size_per_rank > 1:
        raise DataError(
            f"data.augment.scale = {data.augment.scale}: images of several sizes don't fit into a "
            f"batch (data.batch_size_per_rank = {data.batch_size_per_rank}); set data.augment.crop"
        )
