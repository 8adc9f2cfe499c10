"""Which pixels of a data set get a label: thresholds from all images together, and what they mean.

CBST (arXiv 1810.07911) and CRST (arXiv 1908.09822), as their code does it: thresholds come from the
confidence of every fourth pixel of each image and predicted class. Lists begin with no zero, as in
CRST; in CBST they begin with one, which moves a threshold by one rank at most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from advent_dist.config.pseudo_labels import RuleName
from advent_dist.methods.pseudo_labels.class_balanced import by_thresholds
from advent_dist.runs.labelling.confidences import Confidences, above_portion, at_portion
from advent_dist.types import IGNORE_INDEX


@dataclass(frozen=True, kw_only=True)
class Values:
    """What a rule goes by."""

    num_classes: int
    portion: float
    threshold: float


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Thresholds of a data set, and labels by them."""

    thresholds: Callable[[Confidences, Values], list[float]]
    """k of each class."""

    label: Callable[[Tensor, Tensor], Tensor]
    """(probabilities [n, C, h, w], k [C]) -> uint8 [n, h, w], 255 where none is sure enough."""

    every: int | None
    """Which pixels thresholds are taken from; see `Confidences`. None: they need no look at any."""


def most_probable(
    probabilities: Float[Tensor, "n c h w"], thresholds: Float[Tensor, " c"]
) -> UInt8[Tensor, "n h w"]:
    """The most probable class where it reaches its threshold."""
    confidence, label = probabilities.max(1)
    return _where(confidence >= thresholds[label], label)


def most_above(
    probabilities: Float[Tensor, "n c h w"], thresholds: Float[Tensor, " c"]
) -> UInt8[Tensor, "n h w"]:
    """The class that is furthest above its threshold, P_c / k_c, where one is (CBST, eq. 4)."""
    label, sure = by_thresholds(probabilities, thresholds)
    return _where(sure, label)


def _where(sure: Tensor, label: Tensor) -> Tensor:
    return torch.where(sure, label, IGNORE_INDEX).to(torch.uint8)


def _none(pixels: Confidences, values: Values) -> list[float]:
    return [0.0] * values.num_classes


def _given(pixels: Confidences, values: Values) -> list[float]:
    return [values.threshold] * values.num_classes


def _of_all(pixels: Confidences, values: Values) -> list[float]:
    return [at_portion(pixels.of_all(), values.portion)] * values.num_classes


def _of_each(pixels: Confidences, values: Values) -> list[float]:
    return [at_portion(pixels.of(one), values.portion) for one in range(values.num_classes)]


def _capped(pixels: Confidences, values: Values) -> list[float]:
    return [
        min(above_portion(pixels.of(one), values.portion), values.threshold)
        for one in range(values.num_classes)
    ]


RULES: dict[RuleName, Rule] = {
    "all": Rule(thresholds=_none, label=most_probable, every=None),
    "confident": Rule(thresholds=_given, label=most_probable, every=None),
    "portion": Rule(thresholds=_of_all, label=most_probable, every=4),
    "class_balanced": Rule(thresholds=_of_each, label=most_above, every=4),
    "class_capped": Rule(thresholds=_capped, label=most_probable, every=1),
}
"""IntraDA's labels, a fixed threshold, CBST's ST, CBST and CRST, FDA's."""
