"""Street scenes as a data set: items that draw themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.class_sets import CITYSCAPES_19, CITYSCAPES_BOXES_8
from advent_dist.data.classes import ClassSet
from advent_dist.errors import DataError
from shards.dataset import Pixels
from shards.streets import boxes_of_scene, scene

_SCENES_PER_SEED = 1_000_000


@dataclass(frozen=True)
class StreetItem:
    """One scene, not yet drawn."""

    key: str
    number: int
    look: str
    size: tuple[int, int]

    @property
    def where(self) -> str:
        """Its key, since there is no file."""
        return self.key

    @property
    def stamp(self) -> tuple[int, ...]:
        """Nothing: the same item is always drawn the same."""
        return ()

    def load(self, labelled: bool) -> tuple[Pixels, Pixels | None]:
        """Draw it; see `Item.load`."""
        image, label = scene(self.number, self.look, self.size)
        return image, label if labelled else None

    def boxes(self, size: tuple[int, int]) -> BoxArrays:
        """See `BoxedItem.boxes`."""
        return boxes_of_scene(self.number, size)


@dataclass(frozen=True)
class Streets:
    """Procedural street scenes with the 19 classes of Cityscapes: no files needed."""

    name: ClassVar[str] = "streets"

    look: Literal["clean", "day", "dusk", "fog", "rain"] = "clean"
    """Appearance: rendered (clean), or photographed by day, at dusk, in fog, in rain."""

    count: int = 500
    """Scenes."""

    size: tuple[int, int] = (320, 160)
    """Width, height in pixels."""

    seed: int = 0
    """0 or more; scenes of different seeds differ in every look."""

    boxes: bool = field(default=False, repr=False)
    """Write boxes of vehicles, people and cycles, too, beside the label maps."""

    def __post_init__(self) -> None:
        for name, least, value in (
            ("count", 1, self.count),
            ("size", 16, min(self.size)),
            ("seed", 0, self.seed),
        ):
            if value < least:
                raise DataError(f"streets: {name} = {value}: must be at least {least}")

    @property
    def classes(self) -> ClassSet:
        """The 19 classes of Cityscapes."""
        return CITYSCAPES_19

    @property
    def box_classes(self) -> ClassSet | None:
        """The 8 that have instances; none leaves boxes away."""
        return CITYSCAPES_BOXES_8 if self.boxes else None

    def items(self, labelled: bool) -> Sequence[StreetItem]:
        """See `Reader.items`."""
        first = self.seed * _SCENES_PER_SEED
        return [
            StreetItem(f"{self.look}_{self.seed}_{i:06d}", first + i, self.look, self.size)
            for i in range(self.count)
        ]
