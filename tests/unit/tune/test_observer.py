"""What rank 0 of a trial tells its sweep, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import tune.observer
from tune.metric import Metric
from tune.observer import TrialObserver


class _Sweep:
    """The sweep's board, which ends a trial at the steps in `ends`."""

    def __init__(self, *ends: int) -> None:
        self.told: list[dict[str, Any]] = []
        self._ends = ends
        self.ask = SimpleNamespace(remote=self._ask)

    def _ask(self, path: str, evaluation: dict[str, Any]) -> str | None:
        self.told.append(evaluation)
        return "enough" if evaluation["step"] in self._ends else None


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune.observer, "ray", SimpleNamespace(get=lambda value: value))


def _observer(sweep: _Sweep, **options: Any) -> TrialObserver:
    metric = Metric(name="target_miou", smoothing=2, collapse_share=0.5)
    return TrialObserver("trials/00000", {}, sweep, metric, **options)


def _evaluated(step: int, miou: float = 0.5) -> dict[str, Any]:
    return {"step": step, "target_miou": miou, "target_live_classes": 3.0}


def test_the_evaluation_that_a_trial_goes_on_from_is_told_again() -> None:
    # It may have been killed between the checkpoint of its last step and the sweep's answer.
    sweep = _Sweep()
    _observer(sweep).begins([_evaluated(2), {"step": 3}, _evaluated(4, 0.6)])
    assert [(one["step"], one["score"]) for one in sweep.told] == [(4, 0.55)]


@pytest.mark.parametrize("rows", [[], [_evaluated(2), {"step": 3}]])
def test_nothing_is_told_at_a_start_without_an_evaluation(rows: list[dict[str, Any]]) -> None:
    sweep = _Sweep()
    _observer(sweep).begins(rows)
    assert sweep.told == []


def test_a_retraining_asks_nothing() -> None:
    sweep = _Sweep()
    observer = _observer(sweep, decides=False)
    observer.begins([_evaluated(2)])
    row = _evaluated(4)
    observer.sees(row)
    assert not observer.stops(row)
    assert sweep.told == []


def test_a_trial_ends_when_the_sweep_says_so() -> None:
    sweep = _Sweep(4)
    observer = _observer(sweep)
    observer.begins([])
    answers = []
    for row in (_evaluated(2), {"step": 3}, _evaluated(4)):
        observer.sees(row)
        answers.append(observer.stops(row))
    assert answers == [False, False, True]
