"""Images and labels of a folder as samples, whichever reader found them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from advent_dist.data.image import ENDINGS, read_image
from advent_dist.data.label_format import read_values
from advent_dist.data.label_map import LabelMap
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from shards.dataset import Item, Pixels
from shards.layout import Found

_SHOWN = 5
_UNSAFE = re.compile(r"[^\w \-+=,()@~]")
_LONGEST_KEY = 150
"""Bytes: reports name pictures by it."""


@dataclass(frozen=True)
class FolderItem:
    """An image file, and its label's."""

    key: str

    folder: str
    """Path or URL that the names are relative to."""

    image: str
    label: str | None
    label_map: LabelMap | None
    levels: tuple[int, int] | None
    stamp: tuple[int, ...]

    @property
    def where(self) -> str:
        """The image's path or URL."""
        return f"{self.folder}/{self.image}"

    def load(self, labelled: bool) -> tuple[Pixels, Pixels | None]:
        """Read the files; see `Item.load`."""
        folder = open_folder(self.folder)
        data = io.BytesIO(folder.read(self.image))
        image = np.asarray(read_image(data, self.where, self.levels))
        if not labelled:
            return image, None
        assert self.label is not None, "items are made with labels where they are read"
        assert self.label_map is not None, "and then with a map of them"
        where = f"{self.folder}/{self.label}"
        values = read_values(folder.read(self.label), where, colours=self.label_map.colours)
        return image, self.label_map.apply(values, where)


def is_image(name: str) -> bool:
    """Whether a file's name ends as that of an image."""
    return name.lower().endswith(ENDINGS)


def key_of(found: Found, folder: str) -> str:
    """A name for tars, in which a dot would end it, and for files of reports.

    Args:
        found: The image.
        folder: Path or URL that its name is relative to, for the message.

    Raises:
        DataError: it would be empty or too long.
    """
    key = _UNSAFE.sub("_", found.path).strip()
    if not key or len(key.encode()) > _LONGEST_KEY:
        raise DataError(
            f"{folder}/{found.image}: its name makes a key of {len(key.encode())} bytes, but 1 to "
            f"{_LONGEST_KEY} are allowed; rename it, or begin --images with its folder"
        )
    return key


def require_own_keys(items: Sequence[Item]) -> None:
    """Refuse two images that get one key.

    Raises:
        DataError: naming both.
    """
    seen: dict[str, Item] = {}
    for item in items:
        if item.key in seen:
            raise DataError(
                f"{item.where} and {seen[item.key].where} both get the key {item.key}; rename one, "
                "or leave one out"
            )
        seen[item.key] = item


def some(names: Sequence[str], noun: str = "files") -> str:
    """`3 files (a, b, c)`, or `9 files (a, b, c, d, e, ...)`."""
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{len(names)} {noun} ({', '.join(names[:_SHOWN])}{more})"
