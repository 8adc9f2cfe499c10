"""A sweep played again over the curves of trials that were all trained to the end or collapsed.

The project's own scheduler decides, on Ray's ASHA: only the trainings are read instead of done. As
in a sweep, several trials run at the same time, none waits for another, and the next one starts as
soon as one has ended.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from tune.finals import winner
from tune.folder import State, Trial
from tune.plan import Plan
from tune.scheduler import Asha


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One trial trained to the end, or until it collapsed."""

    values: dict[str, Any]
    """Dotted config path -> value."""

    steps: tuple[int, ...]
    """Step of each evaluation, ascending; the last one is the trial's end."""

    mious: tuple[float, ...]
    """Target mIoU in percent at each evaluation."""

    scores: tuple[float, ...]
    """What the sweep decided by at each evaluation: smoothed target mIoU."""

    collapsed: bool = False
    """Whether it ended as collapsed, at its last evaluation, which no scheduler was told of."""

    @property
    def end(self) -> float:
        """What the trial is worth when it is trained to the end; nothing if it collapses."""
        return 0.0 if self.collapsed else self.scores[-1]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a search found, and what it took."""

    found: float
    """Score at its end, in percent, of the trial that the search would take."""

    steps: int
    """Optimiser steps of all its trials."""


def everything(curves: Sequence[Curve]) -> Outcome:
    """All trials to the end."""
    return Outcome(
        found=max(curve.end for curve in curves), steps=sum(curve.steps[-1] for curve in curves)
    )


def at_random(curves: Sequence[Curve], budget: int) -> Outcome:
    """As many of the trials, in their order, as `budget` steps pay to the end, rounded up."""
    taken: list[Curve] = []
    for curve in curves:
        taken.append(curve)
        budget -= curve.steps[-1]
        if budget <= 0:
            break
    return everything(taken)


def asha(curves: Sequence[Curve], plan: Plan, paces: Sequence[float], concurrent: int) -> Outcome:
    """The trials in their order, under the sweep's own scheduler.

    Args:
        curves: The trials, in the order in which they are started.
        plan: The sweep; its metric, steps, grace steps and reduction factor count.
        paces: Time that a step of each trial takes, in any unit.
        concurrent: Trials at a time.
    """
    stopped: dict[str, str] = {}
    scheduler = Asha(plan, _Nowhere(), stopped.__setitem__)  # type: ignore[arg-type]
    trials = [Trial(number=number, values=curve.values) for number, curve in enumerate(curves)]
    waiting = list(range(len(trials)))
    arrivals: list[tuple[float, int, int]] = []
    """(time, trial, evaluation) of what runs."""

    def start(now: float) -> None:
        number = waiting.pop(0)
        scheduler.on_trial_add(None, _of_ray(trials[number]))
        heapq.heappush(arrivals, (now + curves[number].steps[0] * paces[number], number, 0))

    for _ in range(min(concurrent, len(trials))):
        start(0.0)
    while arrivals:
        now, number, evaluation = heapq.heappop(arrivals)
        curve, trial = curves[number], trials[number]
        step, score = curve.steps[evaluation], curve.scores[evaluation]
        ended = step == curve.steps[-1]
        if not (ended and curve.collapsed):
            scheduler.on_trial_result(None, _of_ray(trial), {"step": step, "score": score})
        state: State = "stopped" if trial.path in stopped else "running"
        if ended:
            state = "collapsed" if curve.collapsed else "finished"
        trials[number] = replace(trial, steps=step, score=score, state=state)
        if not trials[number].has_ended:
            later = now + (curve.steps[evaluation + 1] - step) * paces[number]
            heapq.heappush(arrivals, (later, number, evaluation + 1))
            continue
        scheduler.on_trial_complete(None, _of_ray(trial), {})
        if waiting:
            start(now)
    best = winner(trials, plan.metric)
    assert best is not None
    return Outcome(found=curves[best.number].end, steps=sum(trial.steps for trial in trials))


class _Nowhere:
    """In place of the sweep folder: nobody resumes a replay."""

    def read(self, name: str) -> None:
        """There is nothing."""

    def write(self, name: str, tree: dict[str, Any]) -> None:
        """Forget it."""


def _of_ray(trial: Trial) -> Any:
    """As much of Ray's trial as the scheduler looks at."""
    return SimpleNamespace(config={"path": trial.path})
