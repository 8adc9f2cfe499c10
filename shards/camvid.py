"""CamVid in the folder layout of SegNet: 701 photographs from a car, 480x360, 11 classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from advent_dist.data.class_sets import CAMVID_11
from advent_dist.data.classes import ClassSet
from advent_dist.errors import DataError
from shards.dataset import FileItem, Source, require_labels
from shards.files import find_images, find_labels
from shards.label_map import built_in_map

LAYOUT = """\
  train/      0001TP_006690.png ... (or .jpg, ...)
  trainannot/ 0001TP_006690.png ... (grey, 0..10 = classes, 11 = void)
  val/ valannot/ test/ testannot/"""


@dataclass(frozen=True)
class CamVid:
    """CamVid as SegNet published it."""

    name: ClassVar[str] = "camvid"

    source: Source
    """Folder that holds train/, trainannot/, ..."""

    splits: tuple[Literal["train", "val", "test"], ...] = ("train",)
    """Which folders are read."""

    sequences: tuple[str, ...] = ()
    """Only files whose names begin with one of these: 0016E5 0006R0 (day), 0001TP (dusk)."""

    @property
    def classes(self) -> ClassSet:
        """Its 11 classes."""
        return CAMVID_11

    def items(self, labelled: bool) -> Sequence[FileItem]:
        """See `Reader.items`."""
        found, label_map = [], built_in_map(self.classes.name)
        for split in self.splits:
            images = find_images(self.source, split, LAYOUT)
            keys = [path.stem for path in images]
            labels = find_labels(keys, self.source / f"{split}annot", labelled=labelled)
            found += [
                FileItem(path.stem, path, labels[path.stem], label_map)
                for path in images
                if path.name.startswith(self.sequences or ("",))
            ]
        if not found:
            raise DataError(
                f"--sequences {' '.join(self.sequences)}: no file of {self.source} in the splits "
                f"{' '.join(self.splits)} begins with one of these"
            )
        if labelled:
            require_labels(found)
        return sorted(found, key=lambda item: item.key)
