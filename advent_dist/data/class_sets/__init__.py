"""The class sets that come with the package: class files beside this one, known by their names."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from advent_dist.data.class_file import ClassFile, parse_class_file
from advent_dist.data.classes import ClassSet
from advent_dist.errors import ConfigError

NAMES = ("cityscapes19", "cityscapes16", "camvid11", "cityscapes_boxes8")
"""What there is."""


@cache
def built_in(name: str) -> ClassFile:
    """The class file of that name."""
    file = f"{name}.yaml"
    return parse_class_file(files(__name__).joinpath(file).read_bytes(), file)


def class_set(name: str) -> ClassSet:
    """The class set of that name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in NAMES:
        raise ConfigError(f"data.classes: no class set {name!r}; choose from {sorted(NAMES)}")
    return built_in(name).classes


CITYSCAPES_19 = class_set("cityscapes19")
"""The 19 train ids of Cityscapes, which GTA5 shares."""

CITYSCAPES_16 = class_set("cityscapes16")
"""The 16 classes that SYNTHIA shares with Cityscapes, contiguous."""

CAMVID_11 = class_set("camvid11")
"""The 11 classes of CamVid as SegNet grouped them; its twelfth, void, is ignored."""

CITYSCAPES_BOXES_8 = class_set("cityscapes_boxes8")
"""The 8 classes of Cityscapes that have instances, for boxes."""
