"""Class sets: the train ids of a label, their names, colours and the subsets that papers report."""

from __future__ import annotations

from dataclasses import dataclass, field

from advent_dist.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ClassSet:
    """The classes of a task. A class's train id is its place in `names`."""

    name: str
    """Name by which configs and manifests refer to the set."""

    names: tuple[str, ...]
    """Class names, in the order of their train ids."""

    palette: tuple[tuple[int, int, int], ...]
    """One RGB colour a class, 0..255."""

    subsets: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Reported subset -> train ids, such as the 13 classes of SYNTHIA -> Cityscapes."""

    @property
    def num_classes(self) -> int:
        """Number of classes C; train ids are 0..C-1."""
        return len(self.names)


_CITYSCAPES = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}
_NOT_IN_SYNTHIA = ("terrain", "truck", "train")
_THIN = ("wall", "fence", "pole")


def _indices(names: tuple[str, ...], without: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(i for i, name in enumerate(names) if name not in without)


_NAMES_19 = tuple(_CITYSCAPES)
_NAMES_16 = tuple(name for name in _NAMES_19 if name not in _NOT_IN_SYNTHIA)

CITYSCAPES_19 = ClassSet(
    name="cityscapes19",
    names=_NAMES_19,
    palette=tuple(_CITYSCAPES.values()),
    subsets={
        "16": _indices(_NAMES_19, _NOT_IN_SYNTHIA),
        "13": _indices(_NAMES_19, _NOT_IN_SYNTHIA + _THIN),
    },
)
"""The 19 train ids of Cityscapes, which GTA5 shares."""

CITYSCAPES_16 = ClassSet(
    name="cityscapes16",
    names=_NAMES_16,
    palette=tuple(_CITYSCAPES[name] for name in _NAMES_16),
    subsets={"13": _indices(_NAMES_16, _THIN)},
)
"""The 16 classes that SYNTHIA shares with Cityscapes, contiguous."""

CAMVID_11 = ClassSet(
    name="camvid11",
    names=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    palette=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (0, 0, 192),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
)
"""The 11 classes of CamVid as SegNet grouped them; its twelfth, void, is ignored."""

CLASS_SETS = {classes.name: classes for classes in (CITYSCAPES_19, CITYSCAPES_16, CAMVID_11)}


def class_set(name: str) -> ClassSet:
    """The class set of that name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in CLASS_SETS:
        raise ConfigError(f"data.classes: no class set {name!r}; choose from {sorted(CLASS_SETS)}")
    return CLASS_SETS[name]
