"""The boxes of an image as a data set's files have them, and what becomes of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from advent_dist.data.box_arrays import BoxArrays, box_arrays
from advent_dist.data.image import read_image
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from shards.dataset import Pixels

Size = tuple[int, int]
Edges = tuple[float, float, float, float]
"""Left, top, right and bottom edge."""

_ROUNDING = 0.5
"""Pixels by which a box may reach out of its image without a word."""


class Mark(NamedTuple):
    """One box."""

    name: str
    """What the file calls its class."""

    edges: Edges
    """In pixels from the image's upper left corner; or in shares of its width and height."""

    ignore: bool = False
    """Whether it is neither learnt from nor scored."""


@dataclass(frozen=True)
class MarkedImage:
    """An image and its boxes."""

    image: str
    """Name of the image, relative to the data set's folder."""

    where: str = ""
    """Which file says so, for messages."""

    marks: tuple[Mark, ...] = ()
    """Its boxes."""

    size: Size | None = None
    """Width, height that the file says the image has, if it does."""

    in_shares: bool = False
    """Whether edges are in shares of the image's width and height."""


class Fitted(NamedTuple):
    """Boxes in pixels of an image, inside of it."""

    boxes: BoxArrays

    clipped: int
    """How many reached out of the image."""

    left_out: int
    """How many had no area in the image."""


@dataclass(frozen=True)
class MarkedItem:
    """A sample of an image file and its boxes."""

    key: str

    folder: str
    """Path or URL that the image's name is relative to."""

    marked: MarkedImage
    train_ids: Mapping[str, int]
    """What files call a class -> train id; boxes of other names are left out."""

    stamp: tuple[int, ...]

    @property
    def where(self) -> str:
        """The image's path or URL."""
        return f"{self.folder}/{self.marked.image}"

    def load(self, labelled: bool) -> tuple[Pixels, Pixels | None]:
        """Read the image; see `Item.load`."""
        data = io.BytesIO(open_folder(self.folder).read(self.marked.image))
        return np.asarray(read_image(data, self.where)), None

    def boxes(self, size: Size) -> BoxArrays:
        """See `BoxedItem.boxes`."""
        return self.fitted(size).boxes

    def fitted(self, size: Size) -> Fitted:
        """The boxes in pixels of an image of that width and height; clipped to it.

        Raises:
            DataError: the file says another size, or a number is not finite.
        """
        marked = self.marked
        if marked.size is not None and marked.size != size:
            (columns, rows), (width, height) = marked.size, size
            raise DataError(
                f"{marked.where}: it says that {marked.image} is {columns}x{rows}, but it is "
                f"{width}x{height} (width x height), as one sees it; correct the size with its "
                "boxes, or give that image"
            )
        marks = [mark for mark in marked.marks if mark.name in self.train_ids]
        edges = np.array([mark.edges for mark in marks], np.float64).reshape(-1, 4)
        if not np.isfinite(edges).all():
            wrong = marks[int(np.argmax(~np.isfinite(edges).all(axis=1)))]
            raise DataError(
                f"{marked.where}: a box of {wrong.name} in {marked.image} is {list(wrong.edges)}; "
                "give finite numbers"
            )
        if marked.in_shares:
            edges = edges * (size * 2)
        inside = edges.clip(0, size * 2)
        there = np.all(inside[:, 2:].astype(np.float32) > inside[:, :2].astype(np.float32), axis=1)
        reaching = np.any(np.abs(edges - inside) > _ROUNDING, axis=1)
        boxes = box_arrays(
            inside,
            [self.train_ids[mark.name] for mark in marks],
            [mark.ignore for mark in marks],
        )
        return Fitted(boxes.chosen(there), int((reaching & there).sum()), int((~there).sum()))


def names_of(images: Sequence[MarkedImage]) -> dict[str, int]:
    """What files call classes -> boxes of it."""
    counts: dict[str, int] = {}
    for marked in images:
        for mark in marked.marks:
            counts[mark.name] = counts.get(mark.name, 0) + 1
    return counts
