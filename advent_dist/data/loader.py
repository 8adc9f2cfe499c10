"""What a run iterates over: paired training batches of both domains, and evaluation batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from typing import Any

from advent_dist.config import DataConfig
from advent_dist.data.assign import part
from advent_dist.data.blocks import BlockReader
from advent_dist.data.classes import class_set
from advent_dist.data.manifest import Manifest
from advent_dist.data.pipeline import Batch, EvaluationPipeline, TrainingPipeline
from advent_dist.data.progress import Phase
from advent_dist.data.store import folder_url, open_folder, read_manifest
from advent_dist.data.stream import stream
from advent_dist.errors import DataError
from advent_dist.types import DomainBatch, LabelledBatch


class TrainingLoader(Iterator[DomainBatch]):
    """The endless training batches of one rank.

    Each domain goes through its samples in an order of its own, all ranks together seeing each
    sample once an epoch, and starts its next epoch when it is through, whatever the other does.

    Args:
        data: folders, sizes and batch size.
        rank: this process among those that train.
        world_size: number of processes that train.
        seed: 0 or more; of sample order and augmentation.
        state: what `state()` returned earlier, on any rank. With another world size, number of
            workers or batch size, exactly those samples follow that remained of the epoch.

    Raises:
        DataError: shards are missing, damaged or do not fit the config.
    """

    def __init__(
        self,
        data: DataConfig,
        *,
        rank: int,
        world_size: int,
        seed: int,
        state: dict[str, Any] | None = None,
    ) -> None:
        _require_one_size(data)
        states = {"source": None, "target": None} if state is None else state
        # Two seeds out of one, such that no two pairs (seed, domain) share a sequence.
        self._source = _DomainStream(
            data, "source", rank, world_size, seed=2 * seed, state=states["source"]
        )
        self._target = _DomainStream(
            data, "target", rank, world_size, seed=2 * seed + 1, state=states["target"]
        )
        self.source_manifest = self._source.manifest
        self.target_manifest = self._target.manifest

    def __next__(self) -> DomainBatch:
        source, target = next(self._source), next(self._target)
        assert source.label is not None, "the source is read with its labels"
        return DomainBatch(
            source_image=source.image,
            source_label=source.label,
            target_image=target.image,
            source_keys=source.keys,
            target_keys=target.keys,
        )

    def state(self) -> dict[str, Any]:
        """Where both domains stand after the batches handed out so far.

        JSON-able, and equal on all ranks that took equally many batches.
        """
        return {"source": self._source.phase.to_state(), "target": self._target.phase.to_state()}

    def close(self) -> None:
        """Stop the workers."""
        self._source.close()
        self._target.close()


class _DomainStream(Iterator[Batch]):
    """One domain's batches, and the count of those handed out (workers are ahead of it)."""

    def __init__(
        self,
        data: DataConfig,
        domain: str,
        rank: int,
        world_size: int,
        *,
        seed: int,
        state: dict[str, Any] | None,
    ) -> None:
        folder = getattr(data, domain)
        self.manifest, reader = _open(data, folder, labelled=domain == "source")
        num_samples = self.manifest.num_samples
        if num_samples < world_size:
            raise DataError(
                f"data.{domain} = {folder!r} has {num_samples} samples, too few for {world_size} "
                f"ranks; use fewer ranks (cluster.workers) or more data"
            )
        phase = Phase(
            num_samples=num_samples,
            ranks=world_size,
            workers=max(data.workers_per_rank, 1),
            batch_size=data.batch_size_per_rank,
        )
        if state is not None:
            phase = Phase.from_state(state).continued_as(phase)
        pipeline = TrainingPipeline(
            reader=reader,
            classes=class_set(data.classes),
            size=getattr(data, f"{domain}_size"),
            augment=data.augment,
            seed=seed,
            phase=phase,
            rank=rank,
        )
        # torch takes the first batch from its worker 0: let that do the one whose turn it is.
        self._batches = stream(
            lambda worker: pipeline.batches((worker + phase.batches) % phase.workers),
            data.workers_per_rank,
        )
        self.phase = phase

    def __next__(self) -> Batch:
        batch = next(self._batches)
        self.phase = self.phase.advanced(1)
        return batch

    def close(self) -> None:
        self._batches.close()


class EvaluationLoader:
    """A rank's part of a labelled folder: over all ranks each sample once, in the shards' order.

    Args:
        data: evaluation size, batch size and class set.
        folder: shard folder, absolute or relative to `data.root`.
        rank: this process among those that evaluate.
        world_size: number of processes that evaluate.

    Raises:
        DataError: shards are missing, unlabelled, damaged or do not fit the config.
    """

    rounds: int
    """Upper bound of the batches of any rank, the same on all ranks.

    It is the number of samples of the busiest rank: only labels of one size fit into a batch, and
    nobody knows the sizes before reading."""

    def __init__(self, data: DataConfig, folder: str, *, rank: int, world_size: int) -> None:
        self.manifest, reader = _open(data, folder, labelled=True)
        num_samples = self.manifest.num_samples
        start, stop = part(num_samples, rank, world_size)
        self.rounds = -(-num_samples // world_size)
        self._workers = data.workers_per_rank
        self._pipeline = EvaluationPipeline(
            reader=reader,
            classes=class_set(data.classes),
            size=data.evaluation_size,
            batch_size=data.evaluation_batch_size_per_rank,
            start=start,
            stop=stop,
        )

    def __iter__(self) -> Generator[LabelledBatch, None, None]:
        batches = partial(self._pipeline.batches, workers=max(self._workers, 1))
        for batch in stream(batches, self._workers):
            assert batch.label is not None, "evaluation is read with its labels"
            yield LabelledBatch(image=batch.image, label=batch.label, keys=batch.keys)


def _open(data: DataConfig, folder: str, *, labelled: bool) -> tuple[Manifest, BlockReader]:
    """A shard folder that fits the config, or a DataError that says why it does not."""
    url = folder_url(data, folder)
    manifest = read_manifest(url, data)
    if manifest.classes != data.classes:
        raise DataError(
            f"{url}: its shards were built with the classes {manifest.classes}, but data.classes = "
            f"{data.classes!r}; build them again or correct data.classes"
        )
    if labelled and not manifest.labelled:
        raise DataError(f"{url}: its shards have no labels; build them again with labels")
    return manifest, BlockReader(open_folder(url, data), manifest, labelled=labelled)


def _require_one_size(data: DataConfig) -> None:
    low, high = data.augment.scale
    if low != high and data.augment.crop is None and data.batch_size_per_rank > 1:
        raise DataError(
            f"data.augment.scale = {data.augment.scale}: images of several sizes don't fit into a "
            f"batch (data.batch_size_per_rank = {data.batch_size_per_rank}); set data.augment.crop"
        )
