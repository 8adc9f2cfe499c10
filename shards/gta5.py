"""GTA5 (Playing for Data): 24,966 rendered frames, 1914x1052, with the label ids of Cityscapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.data.classes import ClassSet
from shards.dataset import FileItem, Source, require_labels
from shards.files import find_images, find_labels
from shards.label_file import read_cityscapes_ids, require_label_ids
from shards.label_map import built_in_map

LAYOUT = """\
  images/ 00001.png ... 24966.png
  labels/ 00001.png ... 24966.png (palette PNGs of label ids)"""


@dataclass(frozen=True)
class GTA5:
    """GTA5; some of its labels differ in size from their images, so build it with --resize."""

    name: ClassVar[str] = "gta5"

    source: Source
    """Folder that holds images/ and labels/."""

    @property
    def classes(self) -> ClassSet:
        """The 19 classes of Cityscapes."""
        return CITYSCAPES_19

    def items(self, labelled: bool) -> Sequence[FileItem]:
        """See `Reader.items`."""
        label_map = built_in_map(self.classes.name)
        images = find_images(self.source, "images", LAYOUT)
        keys = [path.stem for path in images]
        labels = find_labels(keys, self.source / "labels", labelled=labelled)
        found = [
            FileItem(path.stem, path, labels[path.stem], label_map, read_cityscapes_ids)
            for path in images
        ]
        if labelled:
            require_labels(found)
            require_label_ids([item.label for item in found])
        return found
