"""SYNTHIA-RAND-CITYSCAPES: 9,400 rendered frames, 1280x760, with 16 classes of Cityscapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torchvision.io import ImageReadMode, decode_image

from advent_dist.data.classes import ClassSet, class_set
from advent_dist.errors import DataError
from shards.dataset import CityscapesClasses, FileItem, Source, find_files, require_labels
from shards.label_map import LabelArray, synthia_map

LAYOUT = """\
  RGB/       0000000.png ... 0009399.png
  GT/LABELS/ 0000000.png ... 0009399.png (16-bit RGB: class, instance, 0)"""

_HIGHEST_CLASS = 22


def read_classes(path: Path) -> LabelArray:
    """The class ids in a label of SYNTHIA: uint16 [h, w].

    The file is a 16-bit RGB PNG that holds the class in red and the instance in green (so the
    class is the last channel in OpenCV's BGR order). Pillow would keep only each upper byte, 0.

    Raises:
        DataError: not 16-bit RGB, or red holds more than class ids.
    """
    try:
        data = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
        channels = decode_image(data, ImageReadMode.UNCHANGED).numpy()
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{path}: it can't be decoded ({error}); copy it again") from error
    if channels.dtype != "uint16" or len(channels) != 3:
        raise DataError(
            f"{path}: it has {len(channels)} channels of {channels.dtype}, but labels of SYNTHIA "
            f"are 16-bit RGB; use GT/LABELS as it was published"
        )
    ids: LabelArray = channels[0]
    if ids.max() > _HIGHEST_CLASS:
        raise DataError(
            f"{path}: its red channel holds the value {ids.max()}, but classes of SYNTHIA are "
            f"0..{_HIGHEST_CLASS}; use GT/LABELS as it was published"
        )
    return ids


@dataclass(frozen=True)
class Synthia:
    """SYNTHIA-RAND-CITYSCAPES."""

    name: ClassVar[str] = "synthia"

    source: Source
    """Folder that holds RGB/ and GT/LABELS/."""

    class_order: CityscapesClasses = "cityscapes16"
    """The 16 shared classes; or the 19, of which terrain, truck and train stay empty."""

    @property
    def classes(self) -> ClassSet:
        """The class set of `class_order`."""
        return class_set(self.class_order)

    def items(self, labelled: bool) -> Sequence[FileItem]:
        """See `Reader.items`."""
        label_map, labels = synthia_map(self.classes), self.source / "GT" / "LABELS"
        found = [
            FileItem(path.stem, path, labels / path.name, label_map, read_classes)
            for path in find_files(self.source, "RGB", ("*.png",), LAYOUT)
        ]
        if labelled:
            require_labels(found)
        return found
