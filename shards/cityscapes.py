"""Cityscapes: photographs from a car in 50 cities, 2048x1024; 2,975 to train, 500 to validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from advent_dist.data.classes import ClassSet, class_set
from shards.dataset import CityscapesClasses, FileItem, Source, find_files, require_labels
from shards.label_map import cityscapes_map

LAYOUT = """\
  leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png ...
  gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png ...
  and the same for val/"""

_IMAGE = "_leftImg8bit"


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
        label_map, labels = cityscapes_map(self.classes), self.source / "gtFine" / self.split
        found = []
        for path in find_files(
            self.source, f"leftImg8bit/{self.split}", (f"*/*{_IMAGE}.png",), LAYOUT
        ):
            key = path.stem.removesuffix(_IMAGE)
            label = labels / path.parent.name / f"{key}_gtFine_labelIds.png"
            found.append(FileItem(key, path, label, label_map))
        if labelled:
            require_labels(found)
        return found
