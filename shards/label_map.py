"""Raw label ids of a data set -> train ids of a class set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advent_dist.data.classes import CITYSCAPES_16, CITYSCAPES_19, ClassSet
from advent_dist.errors import DataError
from advent_dist.types import IGNORE_INDEX

LabelArray = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class LabelMap:
    """A raw id's train id, for all ids that a data set has."""

    classes: ClassSet
    """The class set of the train ids."""

    train_ids: dict[int, int]
    """Raw id -> train id."""

    ids: frozenset[int]
    """All raw ids that the data set has; those without a train id become 255."""

    def apply(self, ids: LabelArray, where: str) -> NDArray[np.uint8]:
        """Train ids of a label.

        Args:
            ids: uint8 or uint16 [h, w], raw ids.
            where: the label's file, for the message.

        Returns:
            uint8 [h, w], train ids or 255.

        Raises:
            DataError: an id that the data set does not have.
        """
        unknown = sorted(set(np.flatnonzero(np.bincount(ids.ravel())).tolist()) - self.ids)
        if unknown:
            raise DataError(
                f"{where}: it holds the value {unknown[0]}, but labels of this data set are "
                f"{_spans(self.ids)}; is it another kind of label?"
            )
        table = np.full(max(self.ids) + 1, IGNORE_INDEX, np.uint8)
        table[list(self.train_ids)] = list(self.train_ids.values())
        return table[ids]


def _spans(ids: frozenset[int]) -> str:
    """`0..34, 255`."""
    starts = sorted(i for i in ids if i - 1 not in ids)
    ends = sorted(i for i in ids if i + 1 not in ids)
    spans = zip(starts, ends, strict=True)
    return ", ".join(str(start) if start == end else f"{start}..{end}" for start, end in spans)


def _by_name(names: dict[int, str], classes: ClassSet) -> dict[int, int]:
    return {i: classes.names.index(name) for i, name in names.items() if name in classes.names}


CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label ids of Cityscapes and GTA5 that are evaluated, in the order of the train ids."""

_ALL_CITYSCAPES_IDS = frozenset({*range(35), 255})
"""With those that are not; licence plates are 34 in GTA5 and -1 in Cityscapes, in 8 bits 255."""

_SYNTHIA_IDS = (3, 4, 2, 21, 5, 7, 15, 9, 6, 1, 10, 17, 8, 19, 12, 11)
"""The class ids of SYNTHIA-RAND-CITYSCAPES that Cityscapes has, in the order of `CITYSCAPES_16`."""

ALL_SYNTHIA_IDS = frozenset(range(23))
"""With those that it has not."""


def cityscapes_map(classes: ClassSet) -> LabelMap:
    """The map of the ids in `*_labelIds.png` and in GTA5's labels to 19 or 16 classes."""
    names = dict(zip(CITYSCAPES_IDS, CITYSCAPES_19.names, strict=True))
    return LabelMap(classes, _by_name(names, classes), _ALL_CITYSCAPES_IDS)


def synthia_map(classes: ClassSet) -> LabelMap:
    """The map of SYNTHIA's class ids to the 16 shared classes, in the order of either class set."""
    names = dict(zip(_SYNTHIA_IDS, CITYSCAPES_16.names, strict=True))
    return LabelMap(classes, _by_name(names, classes), ALL_SYNTHIA_IDS)
