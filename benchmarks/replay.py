"""A sweep played again over the curves of trials that were all trained to the end.

The project's own scheduler decides, on Ray's ASHA: only the trainings are read instead of done. As
in a sweep, several trials run at the same time, each reports after as many steps as the others, and
the next one starts as soon as one has ended.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from tune.finals import winner
from tune.folder import SweepFolder, Trial
from tune.plan import Plan
from tune.scheduler import Asha


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One trial trained to the end."""

    values: dict[str, Any]
    """Dotted config path -> value."""

    steps: tuple[int, ...]
    """Step of each evaluation, ascending."""

    mious: tuple[float, ...]
    """Target mIoU in percent at each evaluation."""

    def score(self, evaluation: int, smoothing: int) -> float:
        """What a sweep decides by: the median of the latest evaluations."""
        return statistics.median(self.mious[: evaluation + 1][-smoothing:])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a search found, and what it took."""

    found: float
    """Score at its end, in percent, of the trial that the search would take."""

    steps: int
    """Optimiser steps of all its trials."""


def everything(curves: Sequence[Curve], smoothing: int) -> Outcome:
    """All trials to the end."""
    return Outcome(
        found=max(curve.score(len(curve.steps) - 1, smoothing) for curve in curves),
        steps=sum(curve.steps[-1] for curve in curves),
    )


def at_random(curves: Sequence[Curve], smoothing: int, budget: int) -> Outcome:
    """As many of the trials, in their order, as can be trained to the end within `budget` steps."""
    affordable = max(1, budget // curves[0].steps[-1])
    return everything(curves[:affordable], smoothing)


def asha(curves: Sequence[Curve], plan: Plan, concurrent: int) -> Outcome:
    """The trials in their order, under the sweep's own scheduler.

    Args:
        curves: The trials, evaluated at the same steps.
        plan: The sweep; its grace steps and reduction factor count.
        concurrent: Trials at a time.
    """
    smoothing = plan.metric.smoothing
    stopped: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        scheduler = Asha(plan, SweepFolder(folder), stopped.__setitem__)
        trials = [Trial(number=number, values=curve.values) for number, curve in enumerate(curves)]
        waiting, running = list(trials), {}
        while waiting or running:
            while waiting and len(running) < concurrent:
                trial = waiting.pop(0)
                running[trial.number] = 0
                scheduler.on_trial_add(None, _of_ray(trial))
            for number, evaluation in list(running.items()):
                curve, trial = curves[number], trials[number]
                score, step = curve.score(evaluation, smoothing), curve.steps[evaluation]
                scheduler.on_trial_result(None, _of_ray(trial), {"step": step, "score": score})
                ends = step == curve.steps[-1]
                state = "finished" if ends else "stopped" if trial.path in stopped else "running"
                trials[number] = replace(trial, steps=step, score=score, state=state)
                running[number] = evaluation + 1
                if trials[number].has_ended:
                    del running[number]
                    scheduler.on_trial_complete(None, _of_ray(trial), {})
    best = winner(trials, plan.metric)
    assert best is not None
    chosen = curves[best.number]
    return Outcome(
        found=chosen.score(len(chosen.steps) - 1, smoothing),
        steps=sum(trial.steps for trial in trials),
    )


def _of_ray(trial: Trial) -> Any:
    """As much of Ray's trial as the scheduler looks at."""
    return SimpleNamespace(config={"path": trial.path})
