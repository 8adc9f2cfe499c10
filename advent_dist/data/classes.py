"""Class sets: the train ids of a label, their names, colours and the subsets that papers report."""

from __future__ import annotations

from dataclasses import dataclass, field

Colour = tuple[int, int, int]
"""RGB, 0..255."""

IGNORED = 255
"""Train id of pixels without a class: `types.IGNORE_INDEX`, without the PyTorch that comes with it.
"""

MAX_CLASSES = 254
"""Train ids are 8 bits: 255 is ignored, and 254 is what a table has for values that are unknown."""


@dataclass(frozen=True, kw_only=True)
class ClassSet:
    """The classes of a task. A class's train id is its place in `names`."""

    name: str
    """What messages and configs call the set."""

    names: tuple[str, ...]
    """Class names, in the order of their train ids."""

    palette: tuple[Colour, ...]
    """One RGB colour a class, 0..255."""

    subsets: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Reported subset -> train ids, such as the 13 classes of SYNTHIA -> Cityscapes."""

    @property
    def num_classes(self) -> int:
        """Number of classes C; train ids are 0..C-1."""
        return len(self.names)


def first_difference(one: ClassSet, other: ClassSet) -> str | None:
    """Where two sets give a train id different meanings; colours and subsets may differ.

    Returns:
        The end of a sentence on the two, in this order; None if they agree.
    """
    for train_id, names in enumerate(zip(one.names, other.names, strict=False)):
        if names[0] != names[1]:
            return f"class {train_id} is {names[0]!r} there and {names[1]!r} here"
    if one.num_classes != other.num_classes:
        return f"there are {one.num_classes} classes there and {other.num_classes} here"
    return None
