"""Items -> encoded samples, in order, in parallel processes.

`cluster/encode.py` does the same on a Ray cluster.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
from PIL import Image

from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.box_file import check_boxes, count_boxes, encode_boxes
from advent_dist.data.box_geometry import resize_boxes
from advent_dist.data.classes import ClassSet
from advent_dist.data.executors import of_generator
from advent_dist.data.sample import ImageFormat, encode_image, encode_label
from advent_dist.errors import DataError
from shards.dataset import BoxedItem, Item, Pixels

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

_CHUNK = 8
"""Items of one task: enough to hide its overhead."""

_ITEMS_PER_WORKER = 250
"""Fewer are not worth the seconds in which a worker process starts."""


_TOLERANCE = 0.03
"""Share by which a label may be wider or narrower than its image, once as high."""


class Encoded(NamedTuple):
    """A sample as it goes into a tar."""

    key: str
    image: bytes
    label: bytes | None

    histogram: tuple[int, ...]
    """Labelled pixels of each class; empty without a label."""

    boxes: bytes | None = None
    """The file of the boxes."""

    box_counts: tuple[int, ...] = ()
    """Boxes of each class and, last, of the ignored ones; empty without boxes."""


@dataclass(frozen=True)
class Encoder:
    """How samples are encoded."""

    num_classes: int
    labelled: bool
    image_format: ImageFormat

    quality: int
    """0..100 of JPEG and WebP."""

    resize: tuple[int, int] | None
    """Width, height in pixels, or none to keep each sample's size."""

    box_classes: ClassSet | None = None
    """Of the boxes; none leaves them alone."""

    def encode(self, item: Item) -> Encoded:
        """Load, resize and encode one sample.

        Raises:
            DataError: it can't be read, or its label does not fit its image.
        """
        image, label = item.load(self.labelled)
        if label is not None:
            check_sizes(item.where, image.shape[1::-1], label.shape[::-1], self.resize)
        boxes = None
        if self.box_classes is not None:
            height, width = image.shape[:2]
            boxes = self._boxes(item, (width, height), self.box_classes)
        if self.resize is not None:
            image = _resized(image, self.resize, Image.Resampling.BICUBIC)
            label = (
                None if label is None else _resized(label, self.resize, Image.Resampling.NEAREST)
            )
        histogram: tuple[int, ...] = ()
        if label is not None:
            counts = np.bincount(label.ravel(), minlength=256)[: self.num_classes]
            histogram = tuple(counts.tolist())
        data = encode_image(image, self.image_format, self.quality)
        encoded = None if label is None else encode_label(label)
        sample = Encoded(item.key, data, encoded, histogram)
        if boxes is None or self.box_classes is None:
            return sample
        box_counts = count_boxes(boxes, self.box_classes.num_classes)
        return sample._replace(boxes=encode_boxes(boxes), box_counts=box_counts)

    def _boxes(self, item: Item, size: tuple[int, int], classes: ClassSet) -> BoxArrays:
        assert isinstance(item, BoxedItem), "readers with classes of boxes have such items"
        boxes = item.boxes(size)
        if self.resize is not None:
            boxes, size = resize_boxes(boxes, size, self.resize), self.resize
        check_boxes(boxes, size, classes, item.where)
        return boxes

    def encode_chunk(self, items: Sequence[Item]) -> list[Encoded]:
        """Encode several samples: one task of a worker process."""
        return [self.encode(item) for item in items]


def check_sizes(
    where: str, image: tuple[int, ...], label: tuple[int, ...], resize: tuple[int, int] | None
) -> None:
    """Refuse an image and a label that don't fit each other.

    Args:
        where: The image's file.
        image: Width, height in pixels.
        label: The label's.
        resize: What both are resized to; none keeps them.

    Raises:
        DataError: they differ in shape; or in size, and are not resized.
    """
    (width, height), (columns, rows) = image, label
    said = (
        f"{where}: its label is {columns}x{rows}, but the image is {width}x{height} (width x "
        "height)"
    )
    if not _same_shape((width, height), (columns, rows)):
        raise DataError(
            f"{said}, another shape, so that they can't show the same; turn or crop one as the "
            "other is"
        )
    if resize is None and (columns, rows) != (width, height):
        raise DataError(f"{said}; build with --resize")


EncodeAll: TypeAlias = Callable[[Encoder, Sequence[Item]], Iterator[Encoded]]
"""Encodes items somewhere, and yields the results in the items' order."""


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one is the other made larger or smaller, up to rounding and a little cropping."""
    (width, height), (columns, rows) = size, other
    expected = rows * width / height, columns * height / width
    return any(
        abs(got - due) <= max(1, _TOLERANCE * due)
        for got, due in zip((columns, rows), expected, strict=True)
    )


def _resized(pixels: Pixels, size: tuple[int, int], method: Image.Resampling) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize(size, method))


def _end_with_parent() -> None:
    # A worker whose parent was killed would wait for its next task for ever.
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def encode_all(encoder: Encoder, items: Sequence[Item], processes: int | None) -> Iterator[Encoded]:
    """All items encoded, in their order; see `spread`."""
    yield from spread(encoder.encode_chunk, items, processes)


def spread(
    work: Callable[[Sequence[A]], list[B]], items: Sequence[A], processes: int | None
) -> Iterator[B]:
    """What is made of items, in their order; at most a few chunks ahead of the consumer.

    Args:
        work: What several items become: one task of a worker process.
        items: What is worked on.
        processes: Worker processes, of which 1 works in this process; none takes one for each core,
            but fewer for few items.
    """
    if processes is None:
        processes = min(os.cpu_count() or 1, len(items) // _ITEMS_PER_WORKER)
    workers = min(processes, -(-len(items) // _CHUNK))
    if workers <= 1:
        for item in items:
            yield from work([item])
        return
    # Spawned, since this process may hold threads (of PyTorch, of s3fs) that do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with of_generator(ProcessPoolExecutor(workers, context, initializer=_end_with_parent)) as pool:

        def submit(chunk: Sequence[A]) -> Future[list[B]]:
            return pool.submit(work, chunk)

        yield from in_order(items, submit, Future.result, ahead=3 * workers)


def in_order(
    items: Sequence[A],
    submit: Callable[[Sequence[A]], T],
    collect: Callable[[T], list[B]],
    ahead: int,
) -> Iterator[B]:
    """Have items worked on elsewhere, chunk by chunk, and yield the results in the items' order.

    Args:
        items: What to work on.
        submit: Starts a task that works on a chunk, and returns a handle of it.
        collect: Waits for the task of a handle, and returns its result.
        ahead: Tasks that may be unfinished, or finished and not yet collected, at any time.
    """
    pending: deque[T] = deque()
    for first in range(0, len(items), _CHUNK):
        if len(pending) == ahead:
            yield from collect(pending.popleft())
        pending.append(submit(items[first : first + _CHUNK]))
    while pending:
        yield from collect(pending.popleft())
