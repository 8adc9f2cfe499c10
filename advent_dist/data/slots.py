"""Memory for batches that a worker process writes and the trainer reads, without a copy.

Fresh memory costs a page fault per 4 KiB, which takes longer than decoding into it. So each worker
has a few slots, allocated once, that hold a batch each and come back when the trainer is done.
"""

from __future__ import annotations

import mmap
import os
import weakref
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from advent_dist.config import Size
from advent_dist.data.traffic import Traffic
from advent_dist.types import Boxes

SLOTS = 5
"""Of a worker: two wait in its queue, one is being written, and two are with the trainer."""


class Batch(NamedTuple):
    """Samples of one domain."""

    image: torch.Tensor
    """uint8 [n, 3, h, w], RGB, the channels last in memory."""

    label: torch.Tensor | None
    """uint8 [n, i, j]; None in a domain without label maps."""

    keys: tuple[str, ...]
    """n keys."""

    traffic: Traffic
    """What reading took since the reader's previous batch."""

    boxes: tuple[Boxes, ...] | None = None
    """Those of each image; None where none are read."""

    sizes: tuple[Size, ...] = ()
    """Width, height in pixels of each image as it was stored, in evaluations of boxes."""


class Buffer(NamedTuple):
    """The pixels of a batch that is being made."""

    image: torch.Tensor
    """uint8 [n, h, w, 3]."""

    label: torch.Tensor | None
    """uint8 [n, h, w]; None in a domain without label maps."""

    slot: int | None = None
    """The slot that it lies in, if it is one."""

    def batch(self, keys: tuple[str, ...], traffic: Traffic) -> Batch:
        """The batch, in the same memory."""
        return Batch(self.image.permute(0, 3, 1, 2), self.label, keys, traffic)


class BatchShape(NamedTuple):
    """What a batch has to hold."""

    batch_size: int
    width: int
    height: int
    labelled: bool
    """Whether there are label maps."""

    @property
    def num_bytes(self) -> int:
        """Bytes of a batch."""
        channels = 4 if self.labelled else 3
        return self.batch_size * self.height * self.width * channels

    def carve(self, memory: torch.Tensor, slot: int | None = None) -> Buffer:
        """The pixels of a batch in `memory`, uint8 [num_bytes]."""
        plane = (self.batch_size, self.height, self.width)
        split = 3 * self.batch_size * self.height * self.width
        label = memory[split:].view(plane) if self.labelled else None
        return Buffer(memory[:split].view(*plane, 3), label, slot)

    def allocate(self) -> Buffer:
        """A buffer in memory of its own."""
        return self.carve(torch.empty(self.num_bytes, dtype=torch.uint8))


class Slots:
    """The slots of one worker. To be made before the worker is forked."""

    def __init__(self, shape: BatchShape) -> None:
        self._shape = shape
        # Anonymous memory that is shared with the child: nothing is left behind by a kill.
        self._memory = mmap.mmap(-1, SLOTS * shape.num_bytes)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._returned, self._give_back = reader, writer
        for end in (reader, writer):
            weakref.finalize(self, os.close, end)
        os.write(writer, bytes(range(SLOTS)))

    def take(self) -> Buffer:
        """In the worker: a free slot, or memory of its own if the trainer keeps all of them."""
        try:
            (slot,) = os.read(self._returned, 1)
        except BlockingIOError:
            return self._shape.allocate()
        return self._shape.carve(torch.from_numpy(self._bytes(slot)), slot)

    def view(self, slot: int) -> Buffer:
        """In the trainer: what the worker wrote; free again when no tensor refers to it."""
        memory = self._bytes(slot)
        weakref.finalize(memory, self._release, slot).atexit = False
        # All tensors made of it share one storage, and that keeps `memory` alive.
        return self._shape.carve(torch.from_numpy(memory), slot)

    def _release(self, slot: int) -> None:
        # A finalizer runs anywhere, also within the call of another: a pipe needs no lock.
        os.write(self._give_back, bytes([slot]))

    def _bytes(self, slot: int) -> npt.NDArray[np.uint8]:
        size = self._shape.num_bytes
        return np.frombuffer(self._memory, np.uint8, size, slot * size)
