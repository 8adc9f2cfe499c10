"""Cityscapes: photographs from a car in 50 cities, 2048x1024; 2,975 to train, 500 to validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Literal

from advent_dist.data.class_sets import class_set
from advent_dist.data.classes import ClassSet
from shards.dataset import CityscapesClasses, FileItem, Source, require_labels
from shards.files import find_images, find_labels
from shards.label_file import read_cityscapes_ids, require_label_ids
from shards.label_map import built_in_map

LAYOUT = """\
  leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png ...
  gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png ...
  and the same for val/"""

_IMAGE, _LABEL = "_leftImg8bit", "_gtFine_labelIds"


@dataclass(frozen=True)
class Cityscapes:
    """Cityscapes with fine annotations."""

    name: ClassVar[str] = "cityscapes"

    source: Source
    """Folder that holds leftImg8bit/ and gtFine/."""

    split: Literal["train", "val"] = "train"
    """Which of the published splits."""

    class_order: CityscapesClasses = "cityscapes19"
    """All 19 classes, or the 16 that SYNTHIA has, too."""

    @property
    def classes(self) -> ClassSet:
        """The class set of `class_order`."""
        return class_set(self.class_order)

    def items(self, labelled: bool) -> Sequence[FileItem]:
        """See `Reader.items`."""
        label_map, annotated = built_in_map(self.class_order), self.source / "gtFine" / self.split
        folder = f"leftImg8bit/{self.split}"
        images = find_images(self.source, folder, LAYOUT, name_end=_IMAGE, in_folders=True)
        found = []
        for city, files in groupby(images, lambda path: path.parent.name):
            keyed = [(path.stem.removesuffix(_IMAGE), path) for path in files]
            keys = [key for key, _ in keyed]
            labels = find_labels(keys, annotated / city, name_end=_LABEL, labelled=labelled)
            found += [
                FileItem(key, path, labels[key], label_map, read_cityscapes_ids)
                for key, path in keyed
            ]
        if labelled:
            require_labels(found)
            require_label_ids([item.label for item in found])
        return found
