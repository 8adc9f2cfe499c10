"""Mean and spread of evaluations over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tune.report.record import Final


def mean_and_spread(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation of those values that are there.

    Returns:
        Mean, none without a value; spread, none with fewer than two.
    """
    present = [value for value in values if value is not None]
    mean = statistics.fmean(present) if present else None
    return mean, statistics.stdev(present) if len(present) > 1 else None


def over_seeds(evaluations: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Mean and spread of every number of the evaluations, in an evaluation's own form."""
    means: dict[str, Any] = {}
    spreads: dict[str, Any] = {}
    for name in dict.fromkeys(key for evaluation in evaluations for key in evaluation):
        values = [evaluation.get(name) for evaluation in evaluations]
        if any(isinstance(value, Mapping) for value in values):
            inner = [value for value in values if isinstance(value, Mapping)]
            means[name], spreads[name] = over_seeds(inner)
        else:
            means[name], spreads[name] = mean_and_spread(values)
    return means, spreads


def evaluations_of(finals: Sequence[Final], which: str, snapshot: str) -> list[dict[str, Any]]:
    """The evaluations of one configuration's trainings, one a seed."""
    found = [final.evaluation(snapshot) for final in finals if final.which == which]
    return [evaluation for evaluation in found if evaluation]
