"""Which evaluations a label-free criterion is judged on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tune.report.choice import OUT
from tune.report.criteria import Criterion, Point, points_of
from tune.report.record import Sweep


@dataclass(frozen=True, kw_only=True)
class View:
    """Evaluations that a choice is made among."""

    title: str
    """What is chosen."""

    points: list[Point]
    """The evaluations."""


def views(sweep: Sweep, criterion: Criterion) -> list[View]:
    """Three choices that a criterion could make; failed and collapsed trials take no part.

    Among trials of one length (what the scheduler does at its first rung), among trials where each
    ended, and among all evaluations (choosing a checkpoint). Only the first compares like with
    like: almost everything grows with the steps, and so correlates.
    """
    kept = [trial for trial in sweep.trials if trial.state not in OUT]
    every = points_of(kept, criterion)
    step = sweep.rungs[0] if sweep.rungs else sweep.max_steps
    early = [point for point in every if point.step <= step]
    return [
        View(title=f"trials at step {step}", points=_latest(early, 0.9 * step)),
        View(title="trials at their end", points=_latest(every, 0)),
        View(title="all evaluations", points=every),
    ]


def _latest(points: Sequence[Point], least_step: float) -> list[Point]:
    """The last point of each trial, where it is not before `least_step`."""
    latest = {point.trial: point for point in points}
    return [point for point in latest.values() if point.step >= least_step]
