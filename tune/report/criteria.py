"""How well numbers that need no target label choose among trials: the maths.

A criterion is good if it orders trials as their accuracy does (Spearman's rank correlation) and
if the one that it likes best is not much worse than the best there is (regret).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import spearmanr

from tune.report.record import Trial

MIN_POINTS = 3
"""With two, the rank correlation is always 1 or -1."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A number of an evaluation that target labels have no part in."""

    title: str
    """What it is called."""

    names: tuple[str, ...]
    """Its names in the metrics; the first that is there counts."""

    mode: Literal["max", "min"]
    """Which end is good."""

    source: str
    """Where it was proposed for this use."""


CRITERIA = (
    Criterion(
        title="Mean entropy",
        names=("criterion/entropy", "target_entropy"),
        mode="min",
        source="Morerio et al., ICLR 2018",
    ),
    Criterion(
        title="Information maximisation",
        names=("criterion/information_maximisation",),
        mode="max",
        source="Shi & Sha, ICML 2012; Liang et al., ICML 2020",
    ),
    Criterion(
        title="Soft neighbourhood density",
        names=("criterion/snd",),
        mode="max",
        source="Saito et al., ICCV 2021",
    ),
    Criterion(
        title="Class diversity",
        names=("criterion/diversity",),
        mode="max",
        source="the first term of information maximisation",
    ),
    Criterion(
        title="Source accuracy",
        names=("source_miou", "source_map"),
        mode="max",
        source="Ganin & Lempitsky, ICML 2015",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One evaluation."""

    trial: str
    """Id of the trial."""

    step: int
    """Optimiser steps trained."""

    value: float
    """The criterion."""

    accuracy: float
    """Target mIoU, or mAP of a detector, in percent."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a criterion is worth on some evaluations."""

    points: int
    """How many evaluations."""

    correlation: float | None
    """Spearman's rank correlation with target accuracy, in -1..1; 1 is the same order. None where
    it is not defined."""

    regret: float | None
    """Points of accuracy between the best and the chosen evaluation; 0 is the best choice."""


def points_of(trials: Sequence[Trial], criterion: Criterion) -> list[Point]:
    """The evaluations that have both the criterion and target accuracy, each trial's in order."""
    points = []
    for trial in trials:
        accuracy = trial.run.curve(trial.run.accuracy.target)
        values = next(filter(None, map(trial.run.curve, criterion.names)), {})
        points += [
            Point(trial=trial.id, step=step, value=values[step], accuracy=accuracy[step])
            for step in sorted(values.keys() & accuracy.keys())
        ]
    return points


def judge(points: Sequence[Point], mode: str) -> Verdict:
    """Rank correlation and regret of a criterion.

    Args:
        points: evaluations; those whose numbers are not finite are left out.
        mode: `max` if high values are good, `min` if low ones are.
    """
    points = [one for one in points if math.isfinite(one.value) and math.isfinite(one.accuracy)]
    sign = 1.0 if mode == "max" else -1.0
    chosen = max(points, key=lambda one: sign * one.value, default=None)
    return Verdict(
        points=len(points),
        correlation=rank_correlation(
            [sign * one.value for one in points], [one.accuracy for one in points]
        ),
        regret=None if chosen is None else max(one.accuracy for one in points) - chosen.accuracy,
    )


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank.

    Returns:
        A number in -1..1; None with fewer than three pairs, or where all values are the same.
    """
    if len(one) < MIN_POINTS or len(set(one)) == 1 or len(set(other)) == 1:
        return None
    return float(spearmanr(one, other).statistic)


def random_regret(points: Sequence[Point]) -> float | None:
    """The regret that choosing blindly has on average."""
    if not points:
        return None
    found = [point.accuracy for point in points]
    return max(found) - math.fsum(found) / len(found)
