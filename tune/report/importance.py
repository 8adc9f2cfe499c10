"""How much each parameter matters: the only module that imports optuna.

fANOVA (Hutter, Hoos, Leyton-Brown, "An efficient approach for assessing hyperparameter importance",
ICML 2014): a random forest learns the score from the parameters; a parameter's importance is the
share of the forest's variance that it causes alone.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tune.report.parameters import Parameter
from tune.report.record import Sweep, Trial

MIN_TRIALS_PER_PARAMETER = 3
"""Fewer say nothing: a forest of them only repeats the noise."""

RESAMPLINGS = 8
"""Draws of the trials, with repetition, that the spread is taken over."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """Shares of the variance, or why there are none."""

    step: int | None = None
    """Step at which the trials' scores are compared."""

    trials: int = 0
    """How many trials."""

    shares: tuple[tuple[Parameter, float, float], ...] = ()
    """Parameter, its share in 0..1, and the standard deviation of that under resampling."""

    missing: str = ""
    """Why there is none."""


def importance_of(sweep: Sweep, parameters: Sequence[Parameter]) -> Importance:
    """The importance of the parameters for the score at the scheduler's first rung.

    Scores of different lengths of training can't be compared, and later rungs see only trials that
    were chosen. So the first decision's step counts, which every trial reaches unless it fails;
    without a scheduler it is the last step.

    Args:
        sweep: the sweep.
        parameters: those that vary.
    """
    step = sweep.rungs[0] if sweep.rungs else sweep.max_steps
    usable = [
        (trial, score)
        for trial in sweep.trials
        if (score := score_at(trial, step, sweep)) is not None
        and all(parameter.position(trial) is not None for parameter in parameters)
    ]
    needed = MIN_TRIALS_PER_PARAMETER * len(parameters)
    if not parameters:
        return Importance(missing="Fewer than two values of any parameter have been tried.")
    if len(usable) < needed:
        return Importance(
            missing=f"{len(usable)} trials have a score at step {step}; with "
            f"{len(parameters)} parameters at least {needed} are needed to tell importance from "
            "noise."
        )
    table = np.array([[p.position(trial) for p in parameters] for trial, _ in usable])
    scores = np.array([score for _, score in usable])
    if np.ptp(scores) == 0:
        return Importance(missing=f"All scores at step {step} are the same.")
    whole = _fanova(parameters, table, scores)
    random = np.random.default_rng(0)
    again = []
    for _ in range(RESAMPLINGS):
        drawn = random.integers(len(scores), size=len(scores))
        if np.ptp(scores[drawn]) > 0:
            again.append(_fanova(parameters, table[drawn], scores[drawn]))
    spread = [statistics.stdev(column) for column in zip(*again, strict=True)]
    shares = sorted(zip(parameters, whole, spread, strict=True), key=lambda one: -one[1])
    return Importance(step=step, trials=len(usable), shares=tuple(shares))


def score_at(trial: Trial, step: int, sweep: Sweep) -> float | None:
    """The trial's score at a step, or at its last evaluation within a tenth before."""
    curve = trial.run.curve("score") or trial.run.curve(sweep.metric.name)
    near = [at for at in curve if 0.9 * step <= at <= step]
    return curve[max(near)] if near else None


def _fanova(parameters: Sequence[Parameter], table: Any, scores: Any) -> list[float]:
    """Each parameter's share of the variance; table is [trials, parameters] of axis positions."""
    import optuna  # takes a second to load, and few pages need it

    logging.getLogger("optuna").setLevel(logging.WARNING)
    names = [f"x{place}" for place in range(len(parameters))]
    distributions: dict[str, Any] = {
        name: optuna.distributions.FloatDistribution(low, high)
        if parameter.is_number
        else optuna.distributions.CategoricalDistribution([*range(len(parameter.choices))])
        for name, parameter, low, high in zip(
            names, parameters, table.min(0).tolist(), table.max(0).tolist(), strict=True
        )
    }
    study = optuna.create_study()
    for row, score in zip(table.tolist(), scores.tolist(), strict=True):
        values = [
            value if parameter.is_number else int(value)
            for value, parameter in zip(row, parameters, strict=True)
        ]
        point = dict(zip(names, values, strict=True))
        study.add_trial(
            optuna.trial.create_trial(params=point, distributions=distributions, value=score)
        )
    found = optuna.importance.FanovaImportanceEvaluator(seed=0).evaluate(study, params=names)
    return [float(found.get(name, 0.0)) for name in names]
