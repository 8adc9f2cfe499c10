"""Batches of a pipeline out of torch DataLoader worker processes, or out of this process."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from advent_dist.data.pipeline import Written
from advent_dist.data.slots import Batch, BatchShape, Buffer, Slots
from advent_dist.data.traffic import Traffic
from advent_dist.errors import DataError

Batches = Generator[Batch, None, None]
MakeBatches = Callable[[int, Callable[[], Buffer] | None], Iterator[Written]]


class WorkerDiedError(DataError):
    """A loader process ended without a farewell."""


class _InSlot(NamedTuple):
    """A batch that waits in shared memory."""

    worker: int
    slot: int
    keys: tuple[str, ...]
    traffic: Traffic


_Item = Batch | _InSlot | DataError


def stream(
    batches: MakeBatches,
    workers: int,
    shape: BatchShape | None = None,
    *,
    pinned: bool = False,
) -> Batches:
    """Run `batches(worker, take_buffer)` for worker 0..workers-1; one batch of each in turn.

    Workers start at once and are forked: that takes milliseconds, where `spawn` and `forkserver`
    import torch and the main module anew (3 s and more each). Fork is safe here because a worker
    uses nothing that another thread of the trainer may hold: it opens its own files and S3 client,
    computes on one thread, and never touches CUDA, Ray or a process group.

    Args:
        batches: makes a worker's batches; called inside of the worker.
        workers: number of processes; 0 runs `batches(0, None)` in this one.
        shape: size of all batches, which then travel in shared memory; None where it varies.
        pinned: copy each batch to memory from where it reaches a GPU while that computes.

    Returns:
        The batches; closing it stops the workers.

    Raises:
        DataError: the one that a worker raised, when its turn comes.
        WorkerDiedError: a worker was killed.
    """
    slots = [Slots(shape) for _ in range(workers)] if shape is not None else []
    loader = DataLoader(
        _WorkerDataset(batches, slots),
        batch_size=None,
        collate_fn=_unchanged,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
        # Its own, or the start of workers would draw from the trainer's: nothing here is random.
        generator=torch.Generator(),
    )
    return _received(_started(loader), slots, pinned)


def _started(loader: DataLoader[_Item]) -> Iterator[_Item]:
    """The loader's iterator, without torch's handler of SIGCHLD.

    When a worker dies, that one raises in whatever the trainer is at: in the middle of a step, or
    of the fork of another worker, which then keeps the lock of `logging` for ever. Without it the
    next batch brings the news, some seconds later.
    """
    before = signal.getsignal(signal.SIGCHLD)
    items = iter(loader)
    if before is not None and signal.getsignal(signal.SIGCHLD) is not before:
        signal.signal(signal.SIGCHLD, before)
    return items


class _WorkerDataset(IterableDataset[_Item]):
    """What runs in a worker. A DataError is its last item, since torch would make text of it."""

    def __init__(self, batches: MakeBatches, slots: list[Slots]) -> None:
        self._batches = batches
        self._slots = slots

    def __iter__(self) -> Iterator[_Item]:
        info = get_worker_info()
        worker = 0 if info is None else info.id
        if info is not None:
            gc.freeze()  # the garbage of the parent, with its connections, is not ours to collect
        take_buffer = self._slots[worker].take if self._slots else None
        try:
            for buffer, keys, traffic in self._batches(worker, take_buffer):
                if buffer.slot is None:
                    yield buffer.batch(keys, traffic)
                else:
                    yield _InSlot(worker, buffer.slot, keys, traffic)
        except DataError as error:
            yield error


def _unchanged(item: Any) -> Any:
    """What torch would do instead: copy tuples to lists, and add Counters to themselves."""
    return item


def _received(items: Iterator[_Item], slots: list[Slots], pinned: bool) -> Batches:
    for item in _watched(items):
        if isinstance(item, DataError):
            raise item
        if isinstance(item, _InSlot):
            item = slots[item.worker].view(item.slot).batch(item.keys, item.traffic)
        yield _pinned(item) if pinned else item


def _watched(items: Iterator[_Item]) -> Iterator[_Item]:
    try:
        yield from items
    except RuntimeError as error:
        # torch's own words and type for a worker that ended without a farewell.
        if "DataLoader worker" not in str(error):
            raise
        raise WorkerDiedError(
            "a loader process was killed, perhaps for want of memory; see data.workers_per_rank"
        ) from error


def _pinned(batch: Batch) -> Batch:
    label = None if batch.label is None else batch.label.pin_memory()
    return batch._replace(image=batch.image.pin_memory(), label=label)
