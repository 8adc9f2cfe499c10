"""The ids in label files as people have them: grey or palette PNGs."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.data.classes import IGNORED
from advent_dist.data.image import read_as_stored
from advent_dist.data.label_format import picture_ids
from advent_dist.data.label_map import LabelArray
from advent_dist.data.sample import PNG_DEPTH
from advent_dist.errors import DataError
from shards.label_map import built_in_map

L = TypeVar("L")

_LOOKED_AT = 32
"""Labels that are looked at, about."""

_NOT_TRAIN_IDS = range(19, 255)
_RARE_LABEL_IDS = (9, 10, 14, 15, 16, 18)
"""Parking, rail track, guard rail, bridge, tunnel, pole group: as train ids terrain, sky, ..."""

_TRAIN_IDS = {i: t for i, t in built_in_map("cityscapes19").train_ids.items() if t != IGNORED}
_COLOURS = {i: CITYSCAPES_19.palette[train_id] for i, train_id in _TRAIN_IDS.items()}


def read_ids(path: Path) -> LabelArray:
    """The ids in a grey or palette PNG: uint8 [h, w], turned as EXIF says.

    Raises:
        DataError: it can't be read, or is no such PNG.
    """
    return _ids(path, _read(path))


def read_cityscapes_ids(path: Path) -> LabelArray:
    """The same of a label that follows Cityscapes, whose palette must not say otherwise.

    Programs that make PNGs smaller sort palettes, and with them the ids.

    Raises:
        DataError: it can't be read, is no such PNG, or its palette gives classes other ids.
    """
    image = _read(path)
    ids = _ids(path, image)
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
        used = {i: tuple(colours[i].tolist()) for i in _values(ids) if i < len(colours)}
        of_a_class = {i: colour for i, colour in used.items() if colour in CITYSCAPES_19.palette}
        wrong = [i for i, colour in of_a_class.items() if _COLOURS.get(i) != colour]
        # One or few may be by chance, or colours that classes share with others (pole, pole group).
        if len(wrong) > 1 and 2 * len(wrong) > len(of_a_class):
            i = wrong[0]
            name = CITYSCAPES_19.names[CITYSCAPES_19.palette.index(of_a_class[i])]
            own = next(raw for raw, t in _TRAIN_IDS.items() if CITYSCAPES_19.names[t] == name)
            raise DataError(
                f"{path}: its palette was sorted anew, or it holds train ids: id {i} has the "
                f"colour of {name}, whose id is {own}; use the label as it was published"
            )
    return ids


def require_label_ids(labels: Sequence[Path]) -> None:
    """Refuse train ids where the label ids of Cityscapes should be; look at some of the labels.

    Raises:
        DataError: they hold train ids.
    """
    seen: set[int] = set()
    for path in looked_at(labels):
        with suppress(DataError):  # which is told when this label's turn comes
            seen.update(_values(read_cityscapes_ids(path)))
    require_no_train_ids(seen, str(labels[0].parent))


def looked_at(labels: Sequence[L]) -> Sequence[L]:
    """Some of the labels, evenly spread, that tell train ids from label ids."""
    return labels[:: max(1, len(labels) // _LOOKED_AT)]


def require_no_train_ids(seen: AbstractSet[int], where: str) -> None:
    """Refuse ids that are train ids of Cityscapes where its label ids should be.

    Both are small numbers. But no data set of streets lacks all of the label ids from 19 on, which
    are those of signs, vegetation, sky, people and cars, and yet has one that is rare.

    Args:
        seen: The ids of some labels.
        where: Their folder, for the message.

    Raises:
        DataError: they are train ids.
    """
    void = {255}
    if not (seen - void) & set(_NOT_TRAIN_IDS) and seen & set(_RARE_LABEL_IDS) and seen & {0, 2}:
        raise DataError(
            f"{where}: its labels hold train ids (0..18, 255), not the label ids "
            "(road = 7 ... bicycle = 33) that they are made from; use labels as they were published"
        )


def _read(path: Path) -> Image.Image:
    image = read_as_stored(path, str(path), ("PNG",))
    if image.mode not in ("L", "P"):
        raise DataError(f"{path}: a {image.mode} image is no label; give a PNG with one id a pixel")
    return image


def _ids(path: Path, image: Image.Image) -> LabelArray:
    with path.open("rb") as file:
        return picture_ids(image, file.read(PNG_DEPTH + 1), str(path))


def _values(ids: LabelArray) -> list[int]:
    values: list[int] = np.flatnonzero(np.bincount(ids.ravel())).tolist()
    return values
