"""The replay behind `benchmarks/asha.py`, on curves whose best is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.tune.helpers import plan

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(_BENCHMARKS)
    import replay

    return replay


def _curves(replay: Any, *mious: tuple[float, float, float]) -> list[Any]:
    return [replay.Curve(values={}, steps=(100, 200, 300), mious=one) for one in mious]


def test_what_is_bad_at_a_rung_is_not_trained_on(replay: Any, tmp_path: Path) -> None:
    """One at a time: the first goes to the end, whatever comes."""
    curves = _curves(replay, (10, 20, 30), (5, 5, 90), (20, 30, 40), (1, 1, 1))
    made = plan(tmp_path, smoothing=1)
    whole = replay.everything(curves, 1)
    assert (whole.found, whole.steps) == (90, 1200)
    outcome = replay.asha(curves, made, concurrent=1)
    # The second is stopped at its first rung, with the late riser's 90 unseen; so is the last.
    assert (outcome.found, outcome.steps) == (40, 300 + 100 + 300 + 100)


def test_trials_that_run_together_are_compared_with_each_other(replay: Any, tmp_path: Path) -> None:
    """Without a better one before it, each goes on: asynchronous halving costs more steps."""
    curves = _curves(replay, (10, 20, 30), (20, 30, 40))
    outcome = replay.asha(curves, plan(tmp_path, smoothing=1), concurrent=2)
    assert (outcome.found, outcome.steps) == (40, 600)
    turned = replay.asha(curves[::-1], plan(tmp_path, smoothing=1), concurrent=2)
    assert (turned.found, turned.steps) == (40, 400)


def test_random_search_takes_as_many_trials_as_it_can_pay(replay: Any) -> None:
    curves = _curves(replay, (10, 20, 30), (20, 30, 40), (30, 40, 50))
    assert replay.at_random(curves, 1, budget=650).found == 40
    assert replay.at_random(curves, 1, budget=10).found == 30


def test_the_median_of_the_latest_evaluations_counts(replay: Any) -> None:
    (curve,) = _curves(replay, (10, 90, 20))
    assert [curve.score(number, 3) for number in range(3)] == [10, 50, 20]
