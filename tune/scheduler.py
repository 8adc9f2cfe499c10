"""ASHA that remembers and stops gently.

Ray's scheduler ends a trial by killing it, and forgets its rungs with the driver. This one leaves a
note on the board, which the trial reads at the end of the same evaluation and then returns, so that
its processes stay warm and nothing is left held; and it writes rungs and decisions down after each
result.

ASHA: Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020, algorithm 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import ray
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from tune.folder import SCHEDULER_FILE, SweepFolder
from tune.plan import Plan


class _Known(NamedTuple):
    """A trial as Ray's ASHA files it: under the sweep's own name, the same in all sessions."""

    trial_id: str


class Asha(ASHAScheduler):
    """Ray's ASHA over a sweep folder; `stop` is called with (path, reason) instead of a kill."""

    def __init__(self, plan: Plan, folder: SweepFolder, stop: Any) -> None:
        super().__init__(
            time_attr="step",
            metric="score",
            mode=plan.metric.mode,
            max_t=plan.max_steps,
            grace_period=plan.grace_steps,
            reduction_factor=plan.options.reduction_factor,
        )
        self._folder = folder
        self._stop = stop
        self._share = plan.options.reduction_factor
        # A rung at the very end would stop what has ended already.
        bracket = self._brackets[0]
        bracket._rungs = [rung for rung in bracket._rungs if rung[0] < plan.max_steps]
        self._decisions: dict[str, str] = {}
        self._recall()

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """See `TrialScheduler`."""
        super().on_trial_add(tune_controller, _known(trial))  # type: ignore[arg-type]

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """See `TrialScheduler`; never stops, but has it stopped."""
        known = _known(trial)
        if result["step"] >= self._max_t or known.trial_id in self._decisions:
            return TrialScheduler.CONTINUE
        action = super().on_trial_result(tune_controller, known, result)  # type: ignore[arg-type]
        if action == TrialScheduler.STOP:
            reason = (
                f"stopped at step {result['step']}: {result['score']:.4g} is not among the best "
                f"1 in {self._share}"
            )
            self._decisions[known.trial_id] = reason
            self._stop(known.trial_id, reason)
        self._remember()
        return TrialScheduler.CONTINUE

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """See `TrialScheduler`; the last result has been counted already."""
        self._trial_info.pop(_known(trial).trial_id, None)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """See `TrialScheduler`."""
        self._trial_info.pop(_known(trial).trial_id, None)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """See `TrialScheduler`."""
        self._trial_info.pop(_known(trial).trial_id, None)

    def _remember(self) -> None:
        rungs = [{"step": int(step), "scores": dict(seen)} for step, seen in self._rungs()]
        self._folder.write(SCHEDULER_FILE, {"rungs": rungs, "stopped": self._decisions})

    def _recall(self) -> None:
        known = self._folder.read(SCHEDULER_FILE)
        if known is None:
            return
        scores = {rung["step"]: rung["scores"] for rung in known["rungs"]}
        for step, seen in self._rungs():
            seen.update(scores.get(int(step), {}))
        self._decisions = known["stopped"]
        for path, reason in self._decisions.items():
            self._stop(path, reason)

    def _rungs(self) -> list[tuple[float, dict[str, float]]]:
        """(step, trial -> signed score), the last rung first."""
        rungs: list[tuple[float, dict[str, float]]] = self._brackets[0]._rungs
        return rungs


def _known(trial: Any) -> _Known:
    return _Known(trial.config["path"])


def stopper(board: Any) -> Any:
    """A function (path, reason) that has a trial stop at its evaluation."""

    def stop(path: str, reason: str) -> None:
        # Waited for: the trial looks as soon as its result is done with.
        ray.get(board.stop.remote(path, reason))

    return stop
