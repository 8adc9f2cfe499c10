"""Cityscapes: the boxes of its instances, as they are seen; fog shares the annotations."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from scipy.ndimage import find_objects
from scipy.ndimage import label as regions
from tyro.conf import Positional, arg

from advent_dist.data.box_arrays import BoxArrays, box_arrays
from advent_dist.data.classes import ClassSet
from advent_dist.data.image import read_image
from advent_dist.data.label_format import read_values
from advent_dist.data.label_map import LabelArray
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from shards.class_files import box_class_file
from shards.dataset import Pixels
from shards.folder_item import key_of, require_own_keys, some
from shards.layout import Glob, LabelPattern

_INSTANCES = 1000
"""Of an instance's number: the label id times that, and its place among those of the class."""

_LAYOUT = """\
  leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png ...
  gtFine/train/aachen/aachen_000000_000019_gtFine_instanceIds.png ...
  leftImg8bit_foggy/train/aachen/aachen_000000_000019_leftImg8bit_foggy_beta_0.02.png ..."""


@dataclass(frozen=True)
class InstancesItem:
    """A photograph and its map of instances."""

    key: str
    folder: str
    image: str
    instances: str | None
    train_ids: dict[int, int]
    stamp: tuple[int, ...]

    @property
    def where(self) -> str:
        """The image's path or URL."""
        return f"{self.folder}/{self.image}"

    def load(self, labelled: bool) -> tuple[Pixels, Pixels | None]:
        """Read the image; see `Item.load`."""
        data = io.BytesIO(open_folder(self.folder).read(self.image))
        return np.asarray(read_image(data, self.where)), None

    def boxes(self, size: tuple[int, int]) -> BoxArrays:
        """See `BoxedItem.boxes`."""
        assert self.instances is not None, "items are made with them where boxes are read"
        where = f"{self.folder}/{self.instances}"
        values = read_values(open_folder(self.folder).read(self.instances), where, colours=False)
        if values.shape[::-1] != size:
            (rows, columns), (width, height) = values.shape, size
            raise DataError(
                f"{where}: it is {columns}x{rows}, but its image is {width}x{height} (width x "
                "height); use both as they were published"
            )
        return boxes_of_instances(values, self.train_ids)


def boxes_of_instances(values: LabelArray, train_ids: dict[int, int]) -> BoxArrays:
    """The boxes of what is seen of each instance.

    Args:
        values: [h, w], label id * 1000 + number of an instance, or the label id of what is none: a
            group, each region of which becomes an ignored box.
        train_ids: label id -> train id; other ids are left alone.
    """
    numbers = values.astype(np.int32)
    found: list[tuple[int, bool, tuple[slice, slice]]] = []
    for number, place in enumerate(find_objects(numbers), start=1):
        label_id = number // _INSTANCES if number >= _INSTANCES else number
        if place is None or label_id not in train_ids:
            continue
        is_group = number < _INSTANCES
        places = find_objects(regions(numbers == number)[0]) if is_group else [place]
        found += [(train_ids[label_id], is_group, one) for one in places]
    edges = [
        (columns.start, rows.start, columns.stop, rows.stop) for _, _, (rows, columns) in found
    ]
    return box_arrays(edges, [label for label, *_ in found], [ignore for _, ignore, _ in found])


@dataclass(frozen=True)
class CityscapesBoxes:
    """Boxes of the instances of Cityscapes, of clear photographs or of those in fog."""

    name: ClassVar[str] = "cityscapes_boxes"

    source: Annotated[str, Positional, arg(metavar="SRC")]
    """Local folder or s3:// URL that holds leftImg8bit/ or leftImg8bit_foggy/, and gtFine/."""

    split: Literal["train", "val", "test"] = "train"
    """Which of the published splits; the boxes of test were not published."""

    beta: Literal["0.005", "0.01", "0.02"] | None = None
    """Density of the fog, for Foggy Cityscapes; none takes the clear photographs."""

    classes_file: Annotated[str, arg(name="classes")] = "cityscapes_boxes8"
    """Class file with the label ids of each class; by default the 8 that have instances."""

    @property
    def classes(self) -> ClassSet | None:
        """None: there are no label maps."""
        return None

    @property
    def box_classes(self) -> ClassSet:
        """Those of the class file."""
        return box_class_file(self.classes_file).classes

    def items(self, labelled: bool) -> Sequence[InstancesItem]:
        """See `Reader.items`."""
        folder = open_folder(self.source)
        folder = folder.at(os.path.abspath(folder.path)) if folder.is_local else folder
        stamps = folder.stamps()
        end = "_leftImg8bit" + (f"_foggy_beta_{self.beta}" if self.beta else "")
        top = "leftImg8bit_foggy" if self.beta else "leftImg8bit"
        found = Glob(f"{top}/{self.split}/**/*{end}.png").matches(stamps)
        if not found:
            raise DataError(
                f"{folder.url}: no image is {top}/{self.split}/*/*{end}.png; expected layout under "
                f"{folder.url}:\n{_LAYOUT}"
            )
        pattern = LabelPattern(f"gtFine/{self.split}/{{path}}_gtFine_instanceIds.png", stamps)
        maps = {one.image: pattern.label_of(one) if labelled else None for one in found}
        missing = [image for image, instances in maps.items() if instances is None]
        if labelled and missing:
            raise DataError(
                f"{folder.url}: {len(missing)} of {len(found)} images have no "
                f"gtFine_instanceIds.png: {some(missing)}; complete gtFine/, or build --unlabelled"
            )
        train_ids = self._train_ids() if labelled else {}
        # A build that goes on must not mix train ids of before and after an edit of the file.
        version = zlib.crc32(repr(train_ids).encode())
        items = [
            InstancesItem(
                key=key_of(one, folder.url),
                folder=folder.url,
                image=one.image,
                instances=(instances := maps[one.image]),
                train_ids=train_ids,
                stamp=(*stamps[one.image], *(stamps[instances] if instances else ()), version),
            )
            for one in found
        ]
        require_own_keys(items)
        return sorted(items, key=lambda item: item.key)

    def _train_ids(self) -> dict[int, int]:
        file = box_class_file(self.classes_file)
        if file.label_map is None or file.label_map.colours:
            raise DataError(
                f"{self.classes_file}: it has no ids; give each class the label ids of Cityscapes"
            )
        known = range(file.classes.num_classes)
        return {i: t for i, t in file.label_map.train_ids.items() if t in known}
