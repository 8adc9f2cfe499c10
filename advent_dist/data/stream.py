"""Batches of a pipeline out of torch DataLoader worker processes, or out of this process."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.pipeline import Written
from advent_dist.data.slots import Batch, BatchShape, Buffer, Slots
from advent_dist.data.traffic import Traffic
from advent_dist.errors import DataError
from advent_dist.processes import end_with_parent
from advent_dist.types import Boxes

_log = logging.getLogger(__name__)

Batches = Generator[Batch, None, None]
Task = Any
"""What a reading begins from, as JSON has it."""

MakeBatches = Callable[[int, Callable[[], Buffer] | None, Task], Iterator[Written]]


class WorkerDiedError(DataError):
    """A loader process ended without a farewell."""


class _InSlot(NamedTuple):
    """A batch that waits in shared memory."""

    worker: int
    slot: int
    keys: tuple[str, ...]
    traffic: Traffic
    boxes: tuple[BoxArrays, ...] | None


_Item = Written | _InSlot | DataError


class Readers:
    """Processes that make batches, one of each in turn; forked once, they live until `close`.

    Fork takes milliseconds, where `spawn` and `forkserver` import torch and the main module anew,
    for 3 s and more. It is safe because a worker uses nothing that another thread of the trainer
    may hold: it opens its own files and S3 client, computes on one thread, and never touches CUDA,
    Ray or a process group. And a trainer forks its readers before it uses a GPU, or RDMA through
    NCCL, which may not stand a fork; what it reads later, as in each evaluation, it has the same
    processes read. Only those that take the place of a killed one are forked in between.

    Args:
        batches: makes a worker's batches, `batches(worker, take_buffer, task)`; called inside of
            the worker.
        workers: number of processes; 0 calls it in this one, with worker 0 and no buffers.
        shape: size of all batches, which then travel in shared memory, in one reading; None where
            it varies.
        pinned: copy each batch to memory from where it reaches a GPU while that computes.
    """

    def __init__(
        self,
        batches: MakeBatches,
        workers: int,
        shape: BatchShape | None = None,
        *,
        pinned: bool = False,
    ) -> None:
        self._batches = batches
        self._workers = workers
        self._shape = shape
        self._pinned = pinned
        self._started: _Started | None = None
        self._reading: Batches | None = None

    def start(self) -> None:
        """Fork the workers, which then wait for their task.

        Raises:
            WorkerDiedError: one was killed at once.
        """
        if self._workers and self._started is None:
            self._started = _Started(self._batches, self._workers, self._shape)

    def read(self, task: Task) -> Batches:
        """Begin a reading, which ends the one before; the workers are started if they are not yet.

        Raises:
            DataError: the one that a worker raised, when its turn comes.
            WorkerDiedError: a worker was killed in the middle.
        """
        self._end_reading()
        self.start()
        if self._started is None:
            items, slots = _items(self._batches(0, None, task), 0), []
        else:
            try:
                items, slots = self._started.items(task), self._started.slots
            except WorkerDiedError as error:
                _log.warning("%s; others are started", error)
                self.close()
                return self.read(task)
        self._reading = _received(items, slots, self._pinned)
        return self._reading

    def close(self) -> None:
        """End the last reading and the workers."""
        self._end_reading()
        self._started = None

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
        self._reading = None


class _Started:
    """The workers, forked and waiting."""

    def __init__(self, batches: MakeBatches, workers: int, shape: BatchShape | None) -> None:
        self.slots = [Slots(shape) for _ in range(workers)] if shape is not None else []
        self._note = _Note()
        self._loader = DataLoader(
            _WorkerDataset(batches, self.slots, self._note),
            batch_size=None,
            collate_fn=_unchanged,
            num_workers=workers,
            multiprocessing_context="fork",
            persistent_workers=True,
            # Its own, or their start would draw from the trainer's: nothing here is random.
            generator=torch.Generator(),
        )
        first = _next(_forked(self._loader))
        assert first is None, "what each of them does first is to end a reading without a batch"

    def items(self, task: Task) -> Iterator[_Item]:
        """What all workers make of a task; they begin at once."""
        self._note.write(task)
        with _deaths_are_told():
            return iter(self._loader)


class _Note:
    """A task on its way to the workers: in memory that has a file's name nowhere."""

    def __init__(self) -> None:
        self._file = os.memfd_create("task")
        weakref.finalize(self, os.close, self._file)

    def write(self, task: Task) -> None:
        text = json.dumps(task).encode()
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))

    def read(self) -> Task:
        return json.loads(os.pread(self._file, os.fstat(self._file).st_size, 0))


def _forked(loader: DataLoader[_Item]) -> Iterator[_Item]:
    """The loader's iterator, without torch's handler of SIGCHLD.

    When a worker dies, that one raises in whatever the trainer is at: in the middle of a step, or
    of the fork of another worker, which then keeps the lock of `logging` for ever. Without it the
    next batch brings the news, some seconds later.

    The workers begin without garbage collection, until they have put aside what is the parent's.
    """
    before, collects = signal.getsignal(signal.SIGCHLD), gc.isenabled()
    gc.disable()
    try:
        items = iter(loader)
    finally:
        if collects:
            gc.enable()
    if before is not None and signal.getsignal(signal.SIGCHLD) is not before:
        signal.signal(signal.SIGCHLD, before)
    return items


class _WorkerDataset(IterableDataset[_Item]):
    """What runs in a worker."""

    def __init__(self, batches: MakeBatches, slots: list[Slots], note: _Note) -> None:
        self._batches = batches
        self._slots = slots
        self._note = note
        self._is_new = True

    def __iter__(self) -> Iterator[_Item]:
        if self._is_new:
            self._is_new = False
            # They have the trainer's open connections, too: as long as one of them is there, Ray
            # takes a trainer that was killed for alive. PyTorch's workers look every five seconds.
            end_with_parent(signal.SIGKILL)
            gc.freeze()  # the garbage of the parent, with its connections, is not ours to collect
            gc.enable()
            return iter(())
        info = get_worker_info()
        assert info is not None, "it is iterated in workers alone"
        take_buffer = self._slots[info.id].take if self._slots else None
        return _items(self._batches(info.id, take_buffer, self._note.read()), info.id)


def _items(batches: Iterator[Written], worker: int) -> Iterator[_Item]:
    """A DataError is the last item, since torch would make text of one that is raised."""
    try:
        for written in batches:
            if written.buffer.slot is None:
                yield written
            else:
                slot, keys, traffic = written.buffer.slot, written.keys, written.traffic
                yield _InSlot(worker, slot, keys, traffic, written.boxes)
    except DataError as error:
        yield error


def _unchanged(item: Any) -> Any:
    """What torch would do instead: copy tuples to lists, and add Counters to themselves."""
    return item


def _received(items: Iterator[_Item], slots: list[Slots], pinned: bool) -> Batches:
    while (item := _next(items)) is not None:
        if isinstance(item, DataError):
            raise item
        if isinstance(item, _InSlot):
            buffer = slots[item.worker].view(item.slot)
            item = Written(buffer, item.keys, item.traffic, item.boxes)
        batch = _batch(item)
        yield _pinned(batch) if pinned else batch


def _batch(written: Written) -> Batch:
    batch = written.buffer.batch(written.keys, written.traffic)
    boxes = None if written.boxes is None else tuple(one.tensors() for one in written.boxes)
    return batch._replace(boxes=boxes, sizes=written.sizes)


def _next(items: Iterator[_Item]) -> _Item | None:
    with _deaths_are_told():
        return next(items, None)


@contextmanager
def _deaths_are_told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # torch's own words and type for a worker that ended without a farewell.
        if "DataLoader worker" not in str(error):
            raise
        raise WorkerDiedError(
            "a loader process was killed, perhaps for want of memory; see data.workers_per_rank"
        ) from error


def _pinned(batch: Batch) -> Batch:
    label = None if batch.label is None else batch.label.pin_memory()
    boxes = None if batch.boxes is None else tuple(map(_pinned_boxes, batch.boxes))
    return batch._replace(image=batch.image.pin_memory(), label=label, boxes=boxes)


def _pinned_boxes(boxes: Boxes) -> Boxes:
    return Boxes(
        xyxy=boxes.xyxy.pin_memory(),
        label=boxes.label.pin_memory(),
        ignore=boxes.ignore.pin_memory(),
    )
