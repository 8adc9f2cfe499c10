"""What labels hold, ids or colours -> train ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from advent_dist.errors import DataError

LabelArray: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]
"""Raw values [h, w]: ids, or colours as `colour_code` has them."""

MAX_ID = 65535
"""Of raw ids: labels have at most 16 bits."""

_UNKNOWN = 254
"""In a table: a value that is neither of a class nor ignored."""

_SHOWN = 6
"""Unknown values that a message names."""


def colour_code(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Colours uint8 [..., 3] as one number each: 0xRRGGBB."""
    red, green, blue = (colours[..., channel].astype(np.uint32) for channel in range(3))
    codes: NDArray[np.uint32] = red * np.uint32(65536) + green * np.uint32(256) + blue
    return codes


def shown_value(value: int, *, colours: bool) -> str:
    """A raw value as people write it: an id, or `[r, g, b]`."""
    return str([value >> 16, value >> 8 & 255, value & 255] if colours else value)


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """The train id of each raw value that a data set's labels have."""

    train_ids: dict[int, int]
    """Raw value -> train id; 255 for those of no class."""

    colours: bool = False
    """Whether raw values are colours, 0xRRGGBB, and not ids, 0..65535."""

    def apply(self, values: LabelArray, where: str) -> NDArray[np.uint8]:
        """Train ids of a label.

        Args:
            values: raw values [h, w].
            where: the label's file, for the message.

        Returns:
            uint8 [h, w], train ids or 255.

        Raises:
            DataError: a value that the data set does not have.
        """
        train_ids = _table(tuple(self.train_ids.items()), self.colours)[values]
        wrong = train_ids == _UNKNOWN
        if wrong.any():
            raise DataError(f"{where}: {self.refusal(np.unique(values[wrong]).tolist())}")
        return train_ids

    def refusal(self, unknown: Iterable[int]) -> str:
        """The end of a sentence on a label that has these values, which no label should have."""
        first = [shown_value(value, colours=self.colours) for value in islice(unknown, _SHOWN)]
        if self.colours:
            return (
                f"it holds the colour {', '.join(first)}, which is neither of a class nor ignored; "
                "is it another kind of label?"
            )
        return (
            f"it holds the value {', '.join(first)}, but labels of this data set are "
            f"{spans(self.train_ids)}; is it another kind of label?"
        )


@lru_cache(maxsize=4)
def _table(train_ids: tuple[tuple[int, int], ...], colours: bool) -> NDArray[np.uint8]:
    """Raw value -> train id, for all that a label could hold: 64 KiB of ids, 16 MiB of colours."""
    table = np.full(2**24 if colours else 2**16, _UNKNOWN, np.uint8)
    for value, train_id in train_ids:
        table[value] = train_id
    return table


def spans(ids: Iterable[int]) -> str:
    """`0..34, 255`."""
    there = set(ids)
    starts = sorted(i for i in there if i - 1 not in there)
    ends = sorted(i for i in there if i + 1 not in there)
    return ", ".join(
        str(start) if start == end else f"{start}..{end}"
        for start, end in zip(starts, ends, strict=True)
    )
