"""The measures that can choose a snapshot, or a trial of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SelectBy = Literal[
    "auto",
    "target_miou",
    "source_miou",
    "criterion/entropy",
    "criterion/information_maximisation",
    "criterion/snd",
    "criterion/diversity",
]
"""What chooses; `auto` leaves it to whether there are target labels."""

TARGET_MIOU = "target_miou"
"""The only measure that needs target labels."""

DEFAULT = "criterion/information_maximisation"
"""What chooses where there are none; docs/label_free.md has what that is worth."""

COLLAPSE_SHARE = 0.5
"""A snapshot with a smaller share of the classes that were once predicted has collapsed."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number of an evaluation."""

    title: str
    """In words."""

    short: str
    """Where there is little room."""

    number: str
    """Its name among the numbers of an evaluation."""

    mode: Literal["max", "min"]
    """Which end is good."""

    decimals: int = 3
    """Of the number as it is shown."""

    def is_better(self, one: float, other: float) -> bool:
        """Whether a value beats another one; what is not a number beats nothing."""
        return one > other if self.mode == "max" else one < other

    def text(self, value: float | None) -> str:
        """A value as it is shown; a dash for none."""
        return "-" if value is None else f"{value:.{self.decimals}f}"


MEASURES = {
    TARGET_MIOU: Measure(title="target mIoU", short="mIoU", number="miou", mode="max", decimals=1),
    "source_miou": Measure(
        title="source mIoU", short="source mIoU", number="miou", mode="max", decimals=1
    ),
    "criterion/entropy": Measure(
        title="mean entropy", short="entropy", number="mean_entropy", mode="min"
    ),
    "criterion/information_maximisation": Measure(
        title="information maximisation", short="IM", number="information_maximisation", mode="max"
    ),
    "criterion/snd": Measure(
        title="soft neighbourhood density", short="SND", number="snd", mode="max"
    ),
    "criterion/diversity": Measure(
        title="class diversity", short="diversity", number="diversity", mode="max"
    ),
}
"""Name in the metrics -> the measure."""


def chosen_by(name: str) -> str:
    """What a choice was made by, and whether target labels had a part in it."""
    labels = "on labelled target images" if name == TARGET_MIOU else "no target label was used"
    return f"{MEASURES[name].title} ({labels})"


def is_collapsed(live: float, most: float, share: float = COLLAPSE_SHARE) -> bool:
    """Whether so few classes are predicted that certainty and density mean nothing.

    Args:
        live: Classes that are predicted.
        most: The most that ever were.
        share: Of those, below which it is a collapse.
    """
    return live < share * most
