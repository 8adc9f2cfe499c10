"""What IoU is made of, image by image: how far predictions and labels overlap.

Plain numbers without PyTorch: they are written as JSON as they are, and pydantic checks those that
are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Pixels = Annotated[int, Field(ge=0, lt=2**48)]
Key = Annotated[str, Field(max_length=4096)]


@dataclass(frozen=True, kw_only=True)
class Overlaps:
    """Counts of pixels of n images and C classes. Sums over images give the IoU of all of them."""

    keys: tuple[Key, ...]
    """Keys of the n images."""

    intersection: tuple[tuple[Pixels, ...], ...]
    """[n][C], pixels that have a class and were predicted as that class."""

    union: tuple[tuple[Pixels, ...], ...]
    """[n][C], labelled pixels that have a class or were predicted as that class."""

    def __post_init__(self) -> None:
        """Refuse what no images can have.

        Raises:
            ValueError: lengths differ, or an intersection is larger than its union.
        """
        pairs = list(zip(self.intersection, self.union, strict=False))
        lengths = {len(row) for pair in pairs for row in pair}
        if not len(self.keys) == len(self.intersection) == len(self.union) or len(lengths) > 1:
            raise ValueError(
                "keys, intersection and union have different numbers of images or classes"
            )
        if any(inner > outer for pair in pairs for inner, outer in zip(*pair, strict=True)):
            raise ValueError("an intersection has more pixels than its union")
