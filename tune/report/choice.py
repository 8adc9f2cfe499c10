"""Which trial is the best, and what the others are to it."""

from __future__ import annotations

from advent_dist.config.selection import DEFAULT, MEASURES, Measure
from tune.report.record import Sweep, Trial

OUT = ("collapsed", "failed")
"""States in which a trial can't be chosen, however high it once was."""


def best_trial(sweep: Sweep) -> Trial | None:
    """The trial that has won; before that is decided, the one that would.

    A trial's last smoothed score counts rather than its highest, and one that was stopped or still
    goes on only if none has finished: `tune.finals.winner` has the reasons. None before the first
    evaluation.
    """
    scored = [one for one in sweep.trials if one.state not in OUT and one.score is not None]
    finished = [one for one in scored if one.state == "finished"]
    sign = 1 if sweep.metric.mode == "max" else -1
    decided = [one for one in scored if one.id == sweep.best]
    candidates = decided or finished or scored
    return max(candidates, key=lambda one: sign * (one.score or 0.0), default=None)


def published_trial(sweep: Sweep) -> Trial | None:
    """The trial at the point that the experiment comes with."""
    return next((trial for trial in sweep.trials if trial.published), None)


def score_label(sweep: Sweep) -> str:
    """The metric in words, with its smoothing."""
    k = sweep.metric.smoothing
    return f"{sweep.metric.name}, median of {k}" if k > 1 else sweep.metric.name


def measure_of(sweep: Sweep) -> Measure:
    """What the retrained configurations are compared by: accuracy, if they were scored by it."""
    if sweep.scored_by_labels:
        return MEASURES[sweep.accuracy.target]
    # Source images take no part in the scores.
    return MEASURES[sweep.metric.name if sweep.metric.name.startswith("criterion/") else DEFAULT]


def without_labels(sweep: Sweep) -> str:
    """The sentence that no target label chose, if none did."""
    return "" if sweep.chosen_by_labels else " No target label was used to choose."
