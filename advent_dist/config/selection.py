"""The measures that can choose a snapshot, or a trial of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SelectBy = Literal[
    "auto",
    "target_miou",
    "source_miou",
    "target_map",
    "source_map",
    "criterion/entropy",
    "criterion/information_maximisation",
    "criterion/snd",
    "criterion/diversity",
]
"""What chooses; `auto` leaves it to whether there are target labels."""

TARGET_MIOU = "target_miou"
"""What segmenters are scored by on labelled target images."""

TARGET_MAP = "target_map"
"""What detectors are scored by on labelled target images."""

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
    TARGET_MAP: Measure(title="target mAP", short="mAP", number="map50", mode="max", decimals=1),
    "source_map": Measure(
        title="source mAP", short="source mAP", number="map50", mode="max", decimals=1
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


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What predictions are scored by where there are labels."""

    target: str
    """The measure of target images."""

    source: str
    """That of source images."""

    of_class: str
    """What a single class is scored by, in an evaluation's `per_class`."""

    without: tuple[str, ...]
    """Measures without labels that there are of these predictions."""

    @property
    def number(self) -> str:
        """Its name among the numbers of an evaluation."""
        return MEASURES[self.target].number

    @property
    def short(self) -> str:
        """As the heading of a column."""
        return MEASURES[self.target].short


_ENTROPY = ("criterion/entropy", "criterion/information_maximisation", "criterion/diversity")
ACCURACIES = {
    "segmenter": Accuracy(
        target=TARGET_MIOU,
        source="source_miou",
        of_class="IoU",
        without=(*_ENTROPY, "criterion/snd"),
    ),
    "detector": Accuracy(target=TARGET_MAP, source="source_map", of_class="AP", without=_ENTROPY),
}
"""`Experiment.network` -> what it is scored by."""


def accuracy_in(config: Mapping[str, Any]) -> Accuracy:
    """What the network of a run's config, as JSON has it, is scored by."""
    model = config.get("model")
    detects = isinstance(model, Mapping) and "detector" in model
    return ACCURACIES["detector" if detects else "segmenter"]


def by_target_labels(name: str) -> bool:
    """Whether a measure needs target labels."""
    return any(name == accuracy.target for accuracy in ACCURACIES.values())


def chosen_by(name: str) -> str:
    """What a choice was made by, and whether target labels had a part in it."""
    labels = "on labelled target images" if by_target_labels(name) else "no target label was used"
    return f"{MEASURES[name].title} ({labels})"


def is_collapsed(live: float, most: float, share: float = COLLAPSE_SHARE) -> bool:
    """Whether so few classes are predicted that certainty and density mean nothing.

    Args:
        live: Classes that are predicted.
        most: The most that ever were.
        share: Of those, below which it is a collapse.
    """
    return live < share * most
