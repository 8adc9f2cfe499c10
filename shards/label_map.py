"""The maps of ids of the published data sets."""

from __future__ import annotations

from advent_dist.data.class_sets import CITYSCAPES_16, built_in
from advent_dist.data.classes import IGNORED, ClassSet
from advent_dist.data.label_map import LabelMap

_SYNTHIA_IDS = (3, 4, 2, 21, 5, 7, 15, 9, 6, 1, 10, 17, 8, 19, 12, 11)
"""The class ids of SYNTHIA-RAND-CITYSCAPES that Cityscapes has, in the order of `CITYSCAPES_16`."""

ALL_SYNTHIA_IDS = frozenset(range(23))
"""With those that it has not."""


def built_in_map(name: str) -> LabelMap:
    """The map of a built-in class file: of the ids of Cityscapes and GTA5, or of CamVid."""
    label_map = built_in(name).label_map
    assert label_map is not None, "the built-in files have ids"
    return label_map


def synthia_map(classes: ClassSet) -> LabelMap:
    """The map of SYNTHIA's class ids to the 16 shared classes, in the order of either class set."""
    names = zip(_SYNTHIA_IDS, CITYSCAPES_16.names, strict=True)
    shared = {i: classes.names.index(name) for i, name in names if name in classes.names}
    return LabelMap(train_ids=dict.fromkeys(sorted(ALL_SYNTHIA_IDS), IGNORED) | shared)
