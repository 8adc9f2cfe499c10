"""What a reader gives to the builder: small picklable items that load in the worker processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tyro.conf import Positional, arg

from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.classes import ClassSet
from advent_dist.data.image import read_image
from advent_dist.data.label_map import LabelArray, LabelMap
from advent_dist.data.store import local_path
from advent_dist.errors import DataError
from shards.label_file import read_ids

Pixels = NDArray[np.uint8]
Source = Annotated[Path, Positional, arg(metavar="SRC")]
"""Folder of a data set: the first argument on the command line."""

_PLACES = ("source", "classes_file", "listed")
"""Options that are paths of whoever builds."""

CityscapesClasses = Literal["cityscapes19", "cityscapes16"]


class Item(Protocol):
    """One sample, not yet loaded."""

    @property
    def key(self) -> str:
        """Name of the sample, unique in the data set, without a dot."""

    @property
    def where(self) -> str:
        """What messages call it: its file."""

    @property
    def stamp(self) -> tuple[int, ...]:
        """Numbers that change when what it loads does."""

    def load(self, labelled: bool) -> tuple[Pixels, Pixels | None]:
        """Image uint8 [h, w, 3], RGB; if `labelled`, label uint8 [i, j], train ids or 255."""


@runtime_checkable
class BoxedItem(Item, Protocol):
    """One that has boxes."""

    def boxes(self, size: tuple[int, int]) -> BoxArrays:
        """Those in pixels of its image, whose width and height that is.

        Raises:
            DataError: they can't be read, or are of an image of another size.
        """


class Reader(Protocol):
    """One data set with its options: a dataclass, of which tyro makes a command line."""

    name: ClassVar[str]
    """Name on the command line and in manifests."""

    @property
    def classes(self) -> ClassSet | None:
        """The class set of the label maps; none where there are none, as of photographs."""

    def items(self, labelled: bool) -> Sequence[Item]:
        """All samples, sorted by key.

        Raises:
            DataError: files are missing; labels only count if `labelled`.
        """


@runtime_checkable
class HasBoxes(Protocol):
    """A reader whose items may be a `BoxedItem`."""

    @property
    def box_classes(self) -> ClassSet | None:
        """The class set of the boxes; none where it leaves boxes alone."""


@runtime_checkable
class LooksFirst(Protocol):
    """A reader of files that somebody else laid out: it looks at all labels before a build."""

    def look_first(
        self,
        items: Sequence[Item],
        labelled: bool,
        resize: tuple[int, int] | None,
        processes: int | None,
    ) -> None:
        """Say what was found.

        Raises:
            DataError: a label holds what no class has, or does not fit its image.
        """


R = TypeVar("R", bound=Reader)


def describe(reader: Reader) -> str:
    """Name and options of a reader, as manifests record them: without the places of files."""
    options: Any = reader
    names = (one.name for one in fields(options) if one.repr and one.name not in _PLACES)
    values = {name: getattr(options, name) for name in names}
    return " ".join([reader.name, *(f"{name}={shown(value)}" for name, value in values.items())])


def located(reader: R) -> R:
    """The reader with its folder as an absolute path, since its items load in other processes.

    Raises:
        DataError: the folder is a URL, and the reader reads paths only.
    """
    options: Any = reader
    if not isinstance(getattr(options, "source", None), Path):
        return reader
    source = local_path("SRC", options.source)
    here: R = replace(options, source=Path(os.path.abspath(source)))
    return here


def shown(value: object) -> str:
    """An option's value as manifests record it: `a,b` for a tuple."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class FileItem:
    """A sample of an image file and a label file."""

    key: str
    image: Path
    label: Path
    label_map: LabelMap
    read_label: Callable[[Path], LabelArray] = read_ids

    @property
    def where(self) -> str:
        """The image's path."""
        return str(self.image)

    @property
    def stamp(self) -> tuple[int, ...]:
        """Size in bytes and time of change in ns of both files, of those that are there."""
        stats = [path.stat() for path in (self.image, self.label) if path.is_file()]
        return tuple(number for stat in stats for number in (stat.st_size, stat.st_mtime_ns))

    def load(self, labelled: bool) -> tuple[Pixels, Pixels | None]:
        """Read the files; see `Item.load`."""
        image = np.asarray(read_image(self.image, self.where))
        if not labelled:
            return image, None
        return image, self.label_map.apply(self.read_label(self.label), str(self.label))


def require_labels(items: Sequence[FileItem]) -> None:
    """Check that every item's label file is there.

    Raises:
        DataError: naming the first missing one.
    """
    missing = [item for item in items if not item.label.is_file()]
    if missing:
        raise DataError(
            f"{missing[0].label} is missing, the label of {missing[0].image} "
            f"(and {len(missing) - 1} others); complete the data set, or build --unlabelled"
        )
