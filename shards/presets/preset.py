"""What presets share: patterns, filled with the options, find images, labels and the class file."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated, Any, ClassVar

import numpy as np
from tyro.conf import Positional, arg

from advent_dist.data.class_file import ClassFile
from advent_dist.data.classes import ClassSet
from advent_dist.data.label_format import read_values
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError
from shards.class_files import published
from shards.folder_item import FolderItem, is_image, key_of, require_own_keys, some
from shards.label_file import looked_at, require_no_train_ids
from shards.layout import Found, Glob, LabelPattern

_OPTION = re.compile(r"\{([a-z_]+)\}")
_OF_AN_IMAGE = frozenset({"path", "parent", "name"})

Filled = Mapping[str, str]
"""Option -> the value that a pattern is filled with."""


@dataclass(frozen=True)
class Preset:
    """A data set in the layout in which it was published.

    A subclass has options as fields, and gives the patterns. {split} in a pattern is the option of
    that name; one with several values stands for each of them.
    """

    name: ClassVar[str]

    images: ClassVar[str]
    """Pattern of the images' names, as `Glob` takes it."""

    labels: ClassVar[str]
    """Pattern of the label of an image, as `LabelPattern` takes it."""

    class_file: ClassVar[str]
    """Name of the published class file that says what labels hold."""

    layout: ClassVar[str]
    """What should be in the folder, for messages."""

    holds_label_ids: ClassVar[bool] = False
    """Whether labels hold the label ids of Cityscapes, for which train ids are taken easily."""

    source: Annotated[str, Positional, arg(metavar="SRC")]
    """Local folder or s3:// URL of the data set, as it was published."""

    @property
    def classes(self) -> ClassSet:
        """Those of the class file."""
        return self._file.classes

    @cached_property
    def _file(self) -> ClassFile:
        return published(_fill(self.class_file, next(self._choices())))

    @cached_property
    def _folder(self) -> Folder:
        folder = open_folder(self.source)
        return folder.at(os.path.abspath(folder.path)) if folder.is_local else folder

    def items(self, labelled: bool) -> Sequence[FolderItem]:
        """See `Reader.items`."""
        stamps = self._folder.stamps()
        items = [
            item for chosen in self._choices() for item in self._items(chosen, stamps, labelled)
        ]
        require_own_keys(items)
        if labelled and self.holds_label_ids:
            self._require_label_ids([item.label for item in items if item.label is not None])
        return sorted(items, key=lambda item: item.key)

    def _items(
        self, chosen: Filled, stamps: Mapping[str, tuple[int, ...]], labelled: bool
    ) -> Iterator[FolderItem]:
        glob = Glob(_fill(self.images, chosen))
        found = [one for one in glob.matches(stamps) if is_image(one.image)]
        if not found:
            raise DataError(self._lacking(glob.pattern, stamps))
        labels = self._labels(found, _fill(self.labels, chosen), stamps) if labelled else {}
        # A build that was interrupted is not gone on with by another class file.
        version = zlib.crc32(repr(self._file).encode())
        for one in found:
            label = labels.get(one.image)
            yield FolderItem(
                key=key_of(one._replace(path=_inside(one.image, glob)), self._folder.url),
                folder=self._folder.url,
                image=one.image,
                label=label,
                label_map=self._file.label_map,
                levels=None,
                stamp=(*stamps[one.image], *(stamps[label] if label else ()), version),
            )

    def _choices(self) -> Iterator[Filled]:
        """All combinations of the options that the patterns name."""
        named = _OPTION.findall(self.images + self.labels + self.class_file)
        names = [name for name in dict.fromkeys(named) if name not in _OF_AN_IMAGE]
        for values in product(*(_several(getattr(self, name)) for name in names)):
            yield dict(zip(names, values, strict=True))

    def _labels(
        self, found: Sequence[Found], pattern: str, stamps: Mapping[str, tuple[int, ...]]
    ) -> dict[str, str]:
        """Image -> label."""
        of_image = LabelPattern(pattern, stamps)
        labels = {one.image: of_image.label_of(one) for one in found}
        missing = [image for image, label in labels.items() if label is None]
        if missing:
            raise DataError(
                f"{self._folder.url}: {len(missing)} of {len(labels)} images have no label "
                f"{pattern}: {some(missing)}; complete the data set, or build --unlabelled; "
                f"{self._expected}"
            )
        return {image: label for image, label in labels.items() if label is not None}

    def _lacking(self, pattern: str, names: Mapping[str, object]) -> str:
        """A message that says how far the pattern leads, and what is there instead."""
        if not names:
            return f"{self._folder.url}: no file is there; {self._expected}"
        *folders, _ = pattern.split("/")
        inside: set[str] = set()
        there = ""
        for folder in ["", *folders]:
            deeper = f"{there}{folder}/" if folder else ""
            holds = {name.removeprefix(deeper) for name in names if name.startswith(deeper)}
            if not holds:
                break
            there, inside = deeper, {name.split("/")[0] for name in holds if name[0] != "."}
        where = f"{self._folder.url}/{there}".rstrip("/")
        held = some(sorted(inside), "entries")
        return f"{where} holds {held}, but no image is {pattern}; {self._expected}"

    @property
    def _expected(self) -> str:
        return f"expected layout under {self._folder.url}:\n{self.layout}"

    def _require_label_ids(self, labels: Sequence[str]) -> None:
        seen: set[int] = set()
        for label in looked_at(labels):
            values = read_values(
                self._folder.read(label), f"{self._folder.url}/{label}", colours=False
            )
            seen.update(np.unique(values).tolist())
        require_no_train_ids(seen, f"{self._folder.url}/{os.path.dirname(labels[0])}")


def _inside(image: str, glob: Glob) -> str:
    """Its name in the folder of all matches, without the ending.

    `Found.path` lacks the end that the pattern fixes, which tells tiles and densities of fog apart.
    """
    return os.path.splitext(image.removeprefix(f"{glob.fixed}/"))[0]


def _several(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _fill(pattern: str, chosen: Filled) -> str:
    return _OPTION.sub(lambda match: chosen.get(match[1], match[0]), pattern)
