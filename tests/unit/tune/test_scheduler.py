"""ASHA's decisions, and that they outlive the driver."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import TrialScheduler

from tests.unit.tune.helpers import plan
from tune.folder import SweepFolder
from tune.plan import Plan
from tune.scheduler import Asha


class Sweep:
    """A scheduler and the trials that it has had stopped."""

    def __init__(self, made: Plan) -> None:
        self.stopped: dict[str, str] = {}
        self.asha = Asha(made, SweepFolder(made.url), self.stopped.__setitem__)

    def result(self, number: int, step: int, score: float) -> bool:
        """Report an evaluation; whether the trial is to stop."""
        trial: Any = SimpleNamespace(config={"path": _path(number)})
        if _path(number) not in self.asha._trial_info:
            self.asha.on_trial_add(None, trial)
        action = self.asha.on_trial_result(None, trial, {"step": step, "score": score})
        # A kill would leak what the trial holds.
        assert action == TrialScheduler.CONTINUE
        return _path(number) in self.stopped


def _path(number: int) -> str:
    return f"trials/{number:05d}"


def test_the_worse_half_is_stopped(tmp_path: Path) -> None:
    sweep = Sweep(plan(tmp_path))
    assert not sweep.result(0, 100, 10.0)
    assert not sweep.result(1, 100, 12.0)
    assert sweep.result(2, 100, 10.5)
    assert sweep.stopped[_path(2)] == "stopped at step 100: 10.5 is not among the best 1 in 2"
    assert not sweep.result(3, 100, 13.0)


def test_evaluations_between_rungs_decide_nothing(tmp_path: Path) -> None:
    sweep = Sweep(plan(tmp_path))
    sweep.result(0, 100, 10.0)
    assert not sweep.result(1, 50, 0.0)
    assert not sweep.result(0, 150, 0.0)
    assert sweep.result(1, 100, 0.0)


def test_nothing_is_stopped_at_its_last_step(tmp_path: Path) -> None:
    sweep = Sweep(plan(tmp_path))
    assert not sweep.result(0, 300, 10.0)
    assert not sweep.result(1, 300, 1.0)


def test_less_is_better_for_entropy(tmp_path: Path) -> None:
    sweep = Sweep(plan(tmp_path, metric="criterion/entropy"))
    sweep.result(0, 100, 0.2)
    assert sweep.result(1, 100, 0.3)
    assert not sweep.result(2, 100, 0.1)


def test_rungs_and_decisions_outlive_the_driver(tmp_path: Path) -> None:
    made = plan(tmp_path)
    before = Sweep(made)
    before.result(0, 100, 10.0)
    before.result(1, 100, 12.0)
    before.result(2, 100, 5.0)
    before.result(1, 200, 20.0)

    after = Sweep(made)
    assert after.stopped == before.stopped
    # Against records made before.
    assert after.result(3, 100, 9.0)
    assert not after.result(4, 100, 30.0)
    assert after.result(4, 200, 19.0)
    # A trial that goes on reports evaluations a second time: they are not counted twice.
    assert not after.result(1, 100, 0.0)
    assert not after.result(1, 200, 0.0)


def test_a_resumed_sweep_forgets_nothing_new(tmp_path: Path) -> None:
    made = plan(tmp_path)
    Sweep(made).result(0, 100, 10.0)
    second = Sweep(made)
    assert second.result(1, 100, 1.0)
    third = Sweep(made)
    assert set(third.stopped) == {_path(1)}
    assert third.result(2, 100, 5.0)  # the median of 10 and 1 is 5.5
