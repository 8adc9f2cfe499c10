from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.tune.helpers import plan, trial
from tune.folder import Trial
from tune.plan import Plan
from tune.suggest import GridSearch, OptunaSearch, RandomSearch

RATE = "optimizer.segmenter_lr"
SPACE = (f"{RATE}=loguniform:1e-5:1e-1",)


def _one_rate(tmp_path: Path, **changes: object) -> Plan:
    return plan(tmp_path, space=SPACE, **changes)


def test_random_trials_can_be_asked_for_again(tmp_path: Path) -> None:
    first, second = RandomSearch(plan(tmp_path)), RandomSearch(plan(tmp_path))
    values = [first.suggest(number) for number in (1, 2, 3)]
    assert second.suggest(3) == values[2]
    assert values[0] != values[1]
    assert first.num_trials == 16
    assert RandomSearch(plan(tmp_path, num_trials=5)).num_trials == 5


def test_the_grid_and_the_published_point(tmp_path: Path) -> None:
    search = GridSearch(_one_rate(tmp_path, search="grid", grid_points=5))
    assert search.num_trials == 6
    rates = {search.suggest(number)[RATE] for number in range(1, 6)}
    assert rates == {1e-5, 1e-4, 1e-3, 1e-2, 1e-1}
    assert (
        GridSearch(_one_rate(tmp_path, search="grid", grid_points=5, num_trials=3)).num_trials == 3
    )
    assert GridSearch(_one_rate(tmp_path, search="grid", num_trials=30)).num_trials == 4


def _trained(number: int, rate: float) -> Trial:
    """The closer to 1e-2, the better."""
    score = -abs(rate / 1e-2 - 1) if rate > 1e-3 else -10.0
    return replace(trial(number, score), values={RATE: rate}, steps=300)


def test_optuna_learns_also_from_an_earlier_session(tmp_path: Path) -> None:
    made = _one_rate(tmp_path)
    search = OptunaSearch(made)
    search.runs(replace(trial(0, None), values={RATE: 1e-3}))
    search.ended(_trained(0, 1e-3))
    known = [_trained(0, 1e-3)]
    for number in range(1, 25):
        known.append(_trained(number, search.suggest(number)[RATE]))
        search.ended(known[-1])
    resumed = OptunaSearch(made)
    for one in known:
        resumed.ended(one)
    for after in (search, resumed):
        rates = []
        for number in range(25, 45):
            rates.append(after.suggest(number)[RATE])
            after.ended(_trained(number, rates[-1]))
        near = sum(3e-3 < rate < 3e-2 for rate in rates)
        assert near >= 10, "a quarter of the space at random"


@pytest.mark.parametrize(
    ("state", "told"), [("stopped", "PRUNED"), ("collapsed", "FAIL"), ("failed", "FAIL")]
)
def test_optuna_takes_trials_that_did_not_finish(state: str, told: str, tmp_path: Path) -> None:
    search = OptunaSearch(_one_rate(tmp_path))
    values = search.suggest(1)
    score = None if state == "failed" else 1.0
    search.ended(replace(trial(1, score), values=values, state=state, steps=100))  # type: ignore[arg-type]
    assert [one.state.name for one in search._study.trials] == [told]
    assert search.suggest(2)[RATE] > 0


def test_optuna_does_without_a_published_point_outside_of_the_space(tmp_path: Path) -> None:
    search = OptunaSearch(plan(tmp_path, space=(f"{RATE}=loguniform:1e-2:1e-1",)))
    search.runs(trial(0, None))
    search.ended(trial(0, 1.0))
    assert 1e-2 <= search.suggest(1)[RATE] <= 1e-1
