"""What a run iterates over: paired training batches of both domains, and evaluation batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from advent_dist.config import DataConfig
from advent_dist.data.assign import Order, evenly, part
from advent_dist.data.blocks import BlockReader
from advent_dist.data.cache import BlockCache
from advent_dist.data.damage import DamageLimit
from advent_dist.data.fetch import BlockSource
from advent_dist.data.manifest import Manifest, require_labelled_pixels
from advent_dist.data.pipeline import (
    Decoder,
    EvaluationPipeline,
    TrainingPipeline,
    Written,
)
from advent_dist.data.progress import Phase
from advent_dist.data.rare import RareOrder
from advent_dist.data.slots import Batch, Buffer
from advent_dist.data.store import folder_url, open_folder, read_manifest
from advent_dist.data.stream import Batches, Readers, WorkerDiedError
from advent_dist.data.traffic import SKIPPED, Tally, Traffic
from advent_dist.errors import DamageError, DataError
from advent_dist.types import DomainBatch, EvaluationBatch

_log = logging.getLogger(__name__)

_RESTARTS = 3
"""How often a domain's readers are started anew, after one was killed, before the run fails."""


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

    def __next__(self) -> DomainBatch:
        source, target = next(self._source), next(self._target)
        assert source.label is not None, "the source is read with its labels"
        self.samples_read += len(source.keys)
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


class DomainStream(Iterator[Batch]):
    """One domain's batches, and the count of those handed out (workers are ahead of it).

    Args:
        data: as for `TrainingLoader`.
        domain: `source`, which is read with its labels, or `target`.
        rank: this process among those that train.
        world_size: number of processes that train.
        seed: 0 or more.
        state: `phase.to_state()` of an earlier stream, to go on after it.
        pinned: whether batches are for a GPU; see `Readers`.
    """

    def __init__(
        self,
        data: DataConfig,
        domain: str,
        rank: int,
        world_size: int,
        *,
        seed: int,
        state: dict[str, Any] | None = None,
        pinned: bool = False,
    ) -> None:
        folder = getattr(data, domain)
        labelled = domain == "source"
        self.manifest, decoder = _open(data, folder, labelled=labelled, training=True)
        self.tally = Tally()
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
        pipeline = TrainingPipeline(
            decoder=decoder,
            labelled=labelled,
            size=getattr(data, f"{domain}_size"),
            augment=data.augment,
            seed=seed,
            phase=phase,
            rank=rank,
            order=order_of(data, domain, self.manifest, seed),
        )
        self._restarts = 0
        self.phase = phase
        batches = partial(_batches_after, pipeline)
        self._readers = Readers(batches, data.workers_per_rank, pipeline.shape, pinned=pinned)
        self._batches: Batches | None = None
        if state is not None:
            self.go_on(state)

    def start(self) -> None:
        """Fork the workers, which then wait for the first batch to be asked for."""
        self._readers.start()

    def go_on(self, state: dict[str, Any]) -> None:
        """Stand where `state` says; before the first batch."""
        assert self._batches is None, "the readers are on their way"
        self.phase = Phase.from_state(state).continued_as(self.phase)

    def __next__(self) -> Batch:
        if self._batches is None:
            self._batches = self._readers.read(self.phase.to_state())
        try:
            batch = next(self._batches)
        except WorkerDiedError as error:
            self._restarts += 1
            if self._restarts > _RESTARTS:
                raise
            _log.warning("%s; its samples are read again", error)
            self.close()
            return next(self)
        self.phase = self.phase.advanced(1)
        self.tally.update(batch.traffic)
        return batch

    def close(self) -> None:
        """Stop the workers."""
        self._batches = None
        self._readers.close()


def order_of(data: DataConfig, domain: str, manifest: Manifest, seed: int) -> Order | RareOrder:
    """In which order a domain is trained on.

    Args:
        data: the config.
        domain: `source`, whose images may be drawn by their classes, or `target`.
        manifest: of its folder.
        seed: 0 or more.

    Raises:
        DataError: it is to be drawn by classes that nothing is known of, or that all are too small.
    """
    sizes = tuple(block.num_samples for shard in manifest.shards for block in shard.blocks)
    temperature = data.rare_class_temperature
    if domain != "source" or temperature is None:
        return Order(block_sizes=sizes, seed=seed)
    url, pixels = folder_url(data, data.source), manifest.class_pixels
    if pixels is None:
        raise DataError(
            f"{url}: its manifest does not say which classes each sample has, which "
            f"data.rare_class_temperature = {temperature} needs; build the shards again"
        )
    order = RareOrder(
        block_sizes=sizes,
        seed=seed,
        pixels=pixels,
        temperature=temperature,
        min_pixels=data.rare_class_pixels,
    )
    if not order.probabilities.any():
        raise DataError(
            f"{url}: no image has more than data.rare_class_pixels = {data.rare_class_pixels} "
            "pixels of any class; give fewer"
        )
    return order


def _batches_after(
    pipeline: TrainingPipeline,
    worker: int,
    take_buffer: Callable[[], Buffer] | None,
    state: dict[str, Any],
) -> Iterator[Written]:
    """A worker's batches from where a stream stands."""
    phase = Phase.from_state(state)
    # torch takes the first batch from its worker 0: let that do the one whose turn it is.
    turn = (worker + phase.batches) % phase.workers
    return replace(pipeline, phase=phase).batches(turn, take_buffer)


class EvaluationLoader:
    """A rank's part of a folder: over all ranks each sample once, in the shards' order.

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
        self.manifest, decoder = _open(data, folder, labelled=labelled, training=False)
        self.labelled = decoder.reader.labelled
        if self.labelled:
            require_labelled_pixels(self.manifest, folder_url(data, folder))
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

    def __iter__(self) -> Generator[EvaluationBatch, None, None]:
        self.skipped = 0
        for batch in self._readers.read(None):
            assert batch.label is not None, "an evaluation has labels, be they all ignored"
            self.skipped += batch.traffic[SKIPPED]
            if batch.keys:
                yield EvaluationBatch(image=batch.image, label=batch.label, keys=batch.keys)

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


def target_images(
    data: DataConfig, *, rank: int, world_size: int, pinned: bool = False
) -> EvaluationLoader:
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


def _open(
    data: DataConfig, folder: str, *, labelled: bool | None, training: bool
) -> tuple[Manifest, Decoder]:
    """A shard folder that fits the config, or a DataError that says why it does not.

    Its labels are read if `labelled`, and with None if there are some.
    """
    url = folder_url(data, folder)
    manifest = read_manifest(url, data)
    if None not in (data.classes, manifest.classes) and manifest.classes != data.classes:
        raise DataError(
            f"{url}: its shards were built with the classes {manifest.classes}, but data.classes = "
            f"{data.classes!r}; build them again or correct data.classes"
        )
    if labelled and not manifest.labelled:
        raise DataError(f"{url}: its shards have no labels; build them again with labels")
    if labelled is None:
        labelled = manifest.labelled
    tally = Tally()
    shards = open_folder(url, data, tally)
    cache = None if shards.is_local else _cache(data)
    source = BlockSource(shards, manifest, cache, tally)
    damage = DamageLimit(
        name="data.damaged" if training else "data.evaluation_damaged",
        skip=(data.damaged if training else data.evaluation_damaged) == "skip",
        num_samples=manifest.num_samples,
        max_fraction=data.max_damaged_fraction,
        tally=tally,
    )
    reader = BlockReader(source, labelled=labelled, members=manifest.members)
    return manifest, Decoder(
        reader=reader,
        classes=manifest.class_set,
        label_map=manifest.label_map,
        damage=damage,
        tally=tally,
    )


def _cache(data: DataConfig) -> BlockCache | None:
    if data.cache_dir is None:
        return None
    try:
        return BlockCache(data.cache_dir, int(data.cache_gb * 1e9))
    except OSError as error:
        raise DataError(
            f"data.cache_dir = {data.cache_dir!r} can't be used ({error.strerror}); give a folder "
            f"that can be written, or leave it out"
        ) from error


def _require_one_size(data: DataConfig) -> None:
    low, high = data.augment.scale
    if low != high and data.augment.crop is None and data.batch_size_per_rank > 1:
        raise DataError(
            f"data.augment.scale = {data.augment.scale}: images of several sizes don't fit into a "
            f"batch (data.batch_size_per_rank = {data.batch_size_per_rank}); set data.augment.crop"
        )
