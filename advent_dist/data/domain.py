"""The endless batches of one domain, from readers that are started anew when one is killed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from advent_dist.config import DataConfig
from advent_dist.data.assign import Order
from advent_dist.data.manifest import Manifest
from advent_dist.data.opening import open_shards
from advent_dist.data.pipeline import TrainingPipeline, Written
from advent_dist.data.progress import Phase
from advent_dist.data.rare import RareOrder
from advent_dist.data.slots import Batch, Buffer
from advent_dist.data.store import folder_url
from advent_dist.data.stream import Batches, Readers, WorkerDiedError
from advent_dist.data.traffic import Tally
from advent_dist.errors import DataError

_log = logging.getLogger(__name__)

_RESTARTS = 3
"""How often a domain's readers are started anew, after one was killed, before the run fails."""


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
        self.manifest, decoder = open_shards(data, folder, labelled=labelled, training=True)
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
