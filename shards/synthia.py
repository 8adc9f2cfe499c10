"""SYNTHIA-RAND-CITYSCAPES: 9,400 rendered frames, 1280x760, with 16 classes of Cityscapes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torchvision.io import ImageReadMode, decode_image

from advent_dist.data.class_sets import class_set
from advent_dist.data.classes import ClassSet
from advent_dist.data.image import check_size
from advent_dist.data.label_map import LabelArray
from advent_dist.errors import DataError
from shards.dataset import CityscapesClasses, FileItem, Source, require_labels
from shards.files import find_images, find_labels
from shards.label_map import ALL_SYNTHIA_IDS, synthia_map

LAYOUT = """\
  RGB/       0000000.png ... 0009399.png
  GT/LABELS/ 0000000.png ... 0009399.png (16-bit RGB: class, instance, 0)"""

_PNG_SIZE = 16
"""Place of the width and height, 32 bits each, in a PNG."""


def read_classes(path: Path) -> LabelArray:
    """The class ids in a label of SYNTHIA: uint16 [h, w].

    The file is a 16-bit RGB PNG that holds the class in red and the instance in green (so the
    class is the last channel in OpenCV's BGR order). Pillow would keep only each upper byte, 0.

    Raises:
        DataError: it can't be read, is not 16-bit RGB, or red holds more than class ids.
    """
    try:
        data = path.read_bytes()
        if data[:8] != b"\x89PNG\r\n\x1a\n":
            raise DataError(f"{path}: it is no PNG; use GT/LABELS as it was published")
        width, height = struct.unpack_from(">2I", data, _PNG_SIZE)
        check_size(width, height, str(path))
        channels = decode_image(
            torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.UNCHANGED
        ).numpy()
    except (OSError, RuntimeError, struct.error) as error:
        raise DataError(f"{path}: it can't be read ({error}); copy it again") from error
    if channels.dtype != "uint16" or len(channels) != 3:
        raise DataError(
            f"{path}: it has {len(channels)} channels of {channels.dtype}, but labels of SYNTHIA "
            f"are 16-bit RGB; use GT/LABELS as it was published"
        )
    ids: LabelArray = channels[0]
    if ids.max() not in ALL_SYNTHIA_IDS:
        raise DataError(
            f"{path}: its red channel holds the value {ids.max()}, but classes of SYNTHIA are "
            f"0..{max(ALL_SYNTHIA_IDS)}; use GT/LABELS as it was published"
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
        label_map = synthia_map(self.classes)
        images = find_images(self.source, "RGB", LAYOUT)
        keys = [path.stem for path in images]
        labels = find_labels(keys, self.source / "GT" / "LABELS", labelled=labelled)
        found = [
            FileItem(path.stem, path, labels[path.stem], label_map, read_classes) for path in images
        ]
        if labelled:
            require_labels(found)
        return found
