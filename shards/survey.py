"""What labels hold, counted over all of them before any is used."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from advent_dist.data.image import upright_size
from advent_dist.data.label_format import read_values
from advent_dist.data.label_map import LabelArray
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DamageError, DataError
from shards.encode import spread

_HEADER_BYTES = 2**18
"""Of an image, in which its size stands nearly always."""

_FIRST = 3
"""Files that are named for a value."""


class Pair(NamedTuple):
    """A label, and the image that it should fit."""

    folder: str
    """Path or URL of the folder that both names are relative to."""

    label: str
    image: str | None


class Look(NamedTuple):
    """What one label holds."""

    label: str
    size: tuple[int, int]
    """Width, height."""

    image_size: tuple[int, int] | None
    is_turned: bool
    """Whether the image is turned as its EXIF says."""

    values: dict[int, int]
    """Raw value -> pixels."""


@dataclass
class Occurrence:
    """How often a raw value occurs."""

    pixels: int = 0
    files: int = 0

    first: list[str] = field(default_factory=list)
    """A few of the files."""


@dataclass
class Survey:
    """What all labels hold."""

    values: dict[int, Occurrence] = field(default_factory=dict)
    """Raw value -> how often it occurs."""

    def add(self, look: Look) -> None:
        """Count one more label."""
        for value, pixels in look.values.items():
            known = self.values.setdefault(value, Occurrence())
            known.pixels += pixels
            known.files += 1
            if len(known.first) < _FIRST:
                known.first.append(look.label)

    @property
    def pixels(self) -> int:
        """Of all labels."""
        return sum(known.pixels for known in self.values.values())

    def by_value(self) -> list[tuple[int, Occurrence]]:
        """In the order of the values."""
        return sorted(self.values.items())


def looks(pairs: Sequence[Pair], processes: int | None, *, colours: bool) -> Iterable[Look]:
    """Look at labels, in parallel processes, with a progress bar.

    Args:
        pairs: What to look at.
        processes: See `spread`.
        colours: Whether labels hold colours, and not ids.

    Raises:
        DataError: a label can't be read, or an image is none.
    """
    console = Console(stderr=True)
    return track(
        spread(partial(_look_at, colours=colours), pairs, processes),
        description="labels",
        total=len(pairs),
        console=console,
        disable=not console.is_terminal,
    )


def _look_at(pairs: Sequence[Pair], *, colours: bool) -> list[Look]:
    return [_look(pair, colours=colours) for pair in pairs]


def _look(pair: Pair, *, colours: bool) -> Look:
    folder = open_folder(pair.folder)
    where = f"{folder.url}/{pair.label}"
    values = read_values(folder.read(pair.label), where, colours=colours)
    found, pixels = np.unique(values, return_counts=True) if colours else _counted(values)
    size, turned = (None, False) if pair.image is None else _size(folder, pair.image)
    return Look(
        pair.label,
        (values.shape[1], values.shape[0]),
        size,
        turned,
        dict(zip(found.tolist(), pixels.tolist(), strict=True)),
    )


def _counted(values: LabelArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    counts = np.bincount(values.ravel())
    found = np.flatnonzero(counts)
    return found, counts[found]


def _size(folder: Folder, name: str) -> tuple[tuple[int, int], bool]:
    """Size of an image, and whether it is turned; without downloading all of it, where possible."""
    where = f"{folder.url}/{name}"
    if not folder.is_local:
        try:
            return upright_size(io.BytesIO(folder.read_range(name, 0, _HEADER_BYTES)), where)
        except DamageError:
            pass  # it is shorter
        except DataError:
            pass  # what its size stands in comes later
    return upright_size(io.BytesIO(folder.read(name)), where)
