"""Which values come next: at random, on a grid, or by Optuna from what is known.

The first trial is always the published point.
"""

from __future__ import annotations

from typing import Any, Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from tune.folder import Trial
from tune.plan import Plan
from tune.space import Choice, Distribution, LogUniform, Space, Uniform, Values


class Suggester(Protocol):
    """Where trials come from."""

    num_trials: int
    """How many there are to be, the published point among them."""

    def suggest(self, number: int) -> Values:
        """The values of trial `number`, asked for in order."""

    def runs(self, trial: Trial) -> None:
        """A trial runs that was not suggested now: the published point, or an earlier session's."""

    def ended(self, trial: Trial) -> None:
        """A trial has ended, now or in an earlier session."""


class _Blind:
    """A suggester that does not look at results."""

    def runs(self, trial: Trial) -> None:
        """See `Suggester`."""

    def ended(self, trial: Trial) -> None:
        """See `Suggester`."""


class RandomSearch(_Blind):
    """Independent draws; trial n is the same whenever it is asked for."""

    def __init__(self, plan: Plan) -> None:
        self._space, self._seed = plan.space, plan.options.seed
        self.num_trials = plan.num_trials

    def suggest(self, number: int) -> Values:
        """See `Suggester`."""
        return self._space.values(self._space.sample(self._seed, number))


class GridSearch(_Blind):
    """Every point of the grid, or the first few of them in an order that is spread over it."""

    def __init__(self, plan: Plan) -> None:
        self._space = plan.space
        self._draws = plan.space.grid(plan.options.grid_points, plan.options.seed)
        self.num_trials = plan.num_trials

    def suggest(self, number: int) -> Values:
        """See `Suggester`."""
        return self._space.values(self._draws[number - 1])


class OptunaSearch:
    """Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011)."""

    def __init__(self, plan: Plan) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space: Space = plan.space
        self._distributions = {
            path: _distribution(one) for path, one in plan.space.distributions.items()
        }
        self._study = optuna.create_study(
            direction="maximize" if plan.metric.mode == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(
                seed=plan.options.seed, multivariate=True, constant_liar=True
            ),
        )
        self._running: dict[int, optuna.Trial] = {}
        self.num_trials = plan.num_trials

    def suggest(self, number: int) -> Values:
        """See `Suggester`."""
        self._running[number] = self._study.ask(self._distributions)
        return self._space.values(self._running[number].params)

    def runs(self, trial: Trial) -> None:
        """See `Suggester`."""
        draw = self._space.draw(trial.values)
        # The published point may lie outside of a space that the user has chosen.
        if all(_contains(one, draw[path]) for path, one in self._distributions.items()):
            self._study.enqueue_trial(draw)
            self.suggest(trial.number)

    def ended(self, trial: Trial) -> None:
        """See `Suggester`."""
        if trial.number not in self._running:
            self.runs(trial)
        running = self._running.pop(trial.number, None)
        if running is None:
            return
        if trial.score is None or trial.state not in ("finished", "stopped"):
            self._study.tell(running, state=TrialState.FAIL)
        elif trial.state == "finished":
            self._study.tell(running, trial.score)
        else:
            # Optuna ranks trials that were ended early by how far they came, then by their score.
            running.report(trial.score, trial.steps)
            self._study.tell(running, state=TrialState.PRUNED)


SEARCHES: dict[str, type[RandomSearch | GridSearch | OptunaSearch]] = {
    "random": RandomSearch,
    "grid": GridSearch,
    "optuna": OptunaSearch,
}
"""Name of the flag -> class; each takes the plan."""


def _distribution(one: Distribution) -> BaseDistribution:
    if isinstance(one, Choice):
        return CategoricalDistribution(one.values)
    assert isinstance(one, LogUniform | Uniform)
    return FloatDistribution(one.low, one.high, log=isinstance(one, LogUniform))


def _contains(one: BaseDistribution, value: Any) -> bool:
    if isinstance(one, CategoricalDistribution):
        return any(value == choice for choice in one.choices)
    assert isinstance(one, FloatDistribution)
    return bool(one.low <= value <= one.high)
