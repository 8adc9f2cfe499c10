"""What readers of boxes share: their options, the classes, and a look at all images first."""

from __future__ import annotations

import io
import os
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar, Literal, NamedTuple

from tyro.conf import Positional, arg

from advent_dist.data.class_file import ClassFile, made_up_colours
from advent_dist.data.classes import MAX_CLASSES, ClassSet
from advent_dist.data.image import upright_size
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError
from advent_dist.printable import printable
from shards.boxes.marks import MarkedImage, MarkedItem, names_of
from shards.class_files import box_class_file
from shards.dataset import Item
from shards.encode import spread
from shards.folder_item import key_of, require_own_keys, some
from shards.layout import Found

Stamps = Mapping[str, tuple[int, ...]]
"""Files of a folder -> numbers that change when one does."""

_SHOWN = 5


@dataclass(frozen=True)
class BoxFolder:
    """Options of all readers of boxes; a subclass finds images and their boxes."""

    name: ClassVar[str]

    source: Annotated[str, Positional, arg(metavar="SRC")]
    """Local folder or s3:// URL that all names are relative to."""

    classes_file: Annotated[str | None, arg(name="classes")] = None
    """Class file, YAML or JSON: the classes in the order that they are to have, and by which names
    the data set calls them. None takes the data set's own."""

    others: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of boxes whose names are in no class of --classes; left out, they are told."""

    @property
    def classes(self) -> ClassSet | None:
        """None: there are no label maps."""
        return None

    @property
    def box_classes(self) -> ClassSet:
        """Those of the class file, or of the data set."""
        if self._file is not None:
            return self._file.classes
        names = self.own_names(self.marked)
        if not 1 <= len(names) <= MAX_CLASSES:
            raise DataError(
                f"{self.folder.url}: its boxes are of {len(names)} classes, but 1 to {MAX_CLASSES} "
                "are possible; name those to read in a class file, --classes"
            )
        colours = made_up_colours()
        return ClassSet(name=self.name, names=names, palette=tuple(next(colours) for _ in names))

    def found(self, stamps: Stamps, labelled: bool) -> Sequence[MarkedImage]:
        """The images, and if `labelled` their boxes.

        Args:
            stamps: the files of the folder.
            labelled: whether boxes are read.

        Raises:
            DataError: files are missing, or not as they should be.
        """
        raise NotImplementedError

    def own_names(self, images: Sequence[MarkedImage]) -> tuple[str, ...]:
        """The classes that the data set declares, in their order; else those that boxes have."""
        return tuple(sorted(names_of(images)))

    @cached_property
    def _file(self) -> ClassFile | None:
        return box_class_file(self.classes_file) if self.classes_file is not None else None

    @cached_property
    def folder(self) -> Folder:
        """The data set's, by an absolute path: items load in other processes."""
        folder = open_folder(self.source)
        return folder.at(os.path.abspath(folder.path)) if folder.is_local else folder

    @cached_property
    def stamps(self) -> Stamps:
        """The files that are there."""
        return self.folder.stamps()

    @cached_property
    def marked(self) -> Sequence[MarkedImage]:
        """All images with their boxes."""
        return self.found(self.stamps, True)

    @property
    def train_ids(self) -> dict[str, int]:
        """What the data set calls a class -> train id."""
        if self._file is not None:
            return self._file.box_names
        return {name: train_id for train_id, name in enumerate(self.box_classes.names)}

    def items(self, labelled: bool) -> Sequence[MarkedItem]:
        """See `Reader.items`."""
        images = self.marked if labelled else self.found(self.stamps, False)
        if not images:
            raise DataError(
                f"{self.folder.url}: no image is listed, so that there is nothing to build; give a "
                "file or a list that names some"
            )
        train_ids = self.train_ids if labelled else {}
        if labelled:
            self._require_known(images, train_ids)
        missing = [marked.image for marked in images if marked.image not in self.stamps]
        if missing:
            raise DataError(
                f"{self.folder.url}: {len(missing)} of {len(images)} images are missing: "
                f"{some(missing)}; add them, or say in which folder they lie"
            )
        items = [
            MarkedItem(
                key=key_of(Found(one.image, os.path.splitext(one.image)[0]), self.folder.url),
                folder=self.folder.url,
                marked=one,
                train_ids=train_ids,
                stamp=(*self.stamps[one.image], zlib.crc32(repr((one, train_ids)).encode())),
            )
            for one in images
        ]
        require_own_keys(items)
        return sorted(items, key=lambda item: item.key)

    def _require_known(self, images: Sequence[MarkedImage], train_ids: Mapping[str, int]) -> None:
        unknown = _unknown(images, train_ids)
        if not unknown or self.others == "leave_out":
            return
        raise DataError(
            f"{self.folder.url}: boxes have {len(unknown)} names that are in no class of "
            f"{self.classes_file}: {_told(unknown)}; give each to the `names` of a class, or leave "
            "such boxes out by --others leave_out"
        )

    def look_first(
        self,
        items: Sequence[Item],
        labelled: bool,
        resize: tuple[int, int] | None,
        processes: int | None,
    ) -> None:
        """See `LooksFirst.look_first`: sizes are read and boxes counted."""
        own = [item for item in items if isinstance(item, MarkedItem)]
        if not labelled:
            say(f"{self.folder.url}: {len(own)} images, whose boxes are not read")
            return
        looks = list(spread(_look_at, own, processes))
        boxes, ignored, clipped, left_out = map(sum, zip(*looks, strict=True))
        empty = sum(not look.boxes for look in looks)
        classes = self.box_classes
        say(
            f"{self.folder.url}: {len(own)} images, {empty} of them without a box; {boxes} boxes "
            f"of {len(classes.names)} classes, of which {ignored} are ignored"
        )
        if clipped:
            say(f"{clipped} boxes reach out of their image, and are clipped")
        if left_out:
            say(f"{left_out} boxes have no area in their image, and are left out")
        if unknown := _unknown([item.marked for item in own], self.train_ids):
            say(
                f"{sum(unknown.values())} boxes of {len(unknown)} names that are in no class are "
                f"left out: {_told(unknown)}"
            )


def _unknown(images: Sequence[MarkedImage], train_ids: Mapping[str, int]) -> dict[str, int]:
    """Names that are in no class -> boxes of it."""
    return {name: n for name, n in names_of(images).items() if name not in train_ids}


def _told(names: Mapping[str, int]) -> str:
    """The names that most boxes have, with how many."""
    most = sorted(names, key=lambda name: (-names[name], name))
    told = ", ".join(f"{name!r} ({names[name]} boxes)" for name in most[:_SHOWN])
    return f"{told} and {len(most) - _SHOWN} more" if len(most) > _SHOWN else told


class _Look(NamedTuple):
    boxes: int
    ignored: int
    clipped: int
    left_out: int


def _look_at(items: Sequence[MarkedItem]) -> list[_Look]:
    return [_look(item) for item in items]


def _look(item: MarkedItem) -> _Look:
    fitted = item.fitted(image_size(open_folder(item.folder), item.marked.image))
    boxes = fitted.boxes
    return _Look(boxes.num_boxes, int(boxes.ignore.sum()), fitted.clipped, fitted.left_out)


def image_size(folder: Folder, name: str) -> tuple[int, int]:
    """Width, height of an image as one sees it; of a local one only its header is read."""
    where = f"{folder.url}/{name}"
    if folder.is_local:
        with open(f"{folder.path}/{name}", "rb") as file:
            return upright_size(file, where)[0]
    return upright_size(io.BytesIO(folder.read(name)), where)[0]


def say(sentence: str) -> None:
    """One line of what was found."""
    sys.stderr.write(printable(f"-- {sentence}\n"))


def lines_of(data: bytes, where: str) -> Iterator[tuple[int, str]]:
    """The lines of a text that hold something, with their numbers from 1.

    Raises:
        DataError: it is no text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: it is no text in UTF-8 ({error}); convert it") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()
