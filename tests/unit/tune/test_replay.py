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


def _curves(replay: Any, *scores: tuple[float, float, float]) -> list[Any]:
    return [replay.Curve(values={}, steps=(100, 200, 300), mious=one, scores=one) for one in scores]


def test_what_is_bad_at_a_rung_is_not_trained_on(replay: Any, tmp_path: Path) -> None:
    """One at a time: the first goes to the end, whatever comes."""
    curves = _curves(replay, (10, 20, 30), (5, 5, 90), (20, 30, 40), (1, 1, 1))
    whole = replay.everything(curves)
    assert (whole.found, whole.steps) == (90, 1200)
    outcome = replay.asha(curves, plan(tmp_path), paces=[1, 1, 1, 1], concurrent=1)
    # The second is stopped at its first rung, with the late riser's 90 unseen; so is the last.
    assert (outcome.found, outcome.steps) == (40, 300 + 100 + 300 + 100)


def test_trials_that_run_together_are_compared_in_the_order_of_their_arrival(
    replay: Any, tmp_path: Path
) -> None:
    """Without a better one before it, each goes on: asynchronous halving costs more steps."""
    curves = _curves(replay, (10, 20, 30), (20, 30, 40))
    made = plan(tmp_path)
    worse_first = replay.asha(curves, made, paces=[1, 1.1], concurrent=2)
    assert (worse_first.found, worse_first.steps) == (40, 300 + 300)
    better_first = replay.asha(curves, made, paces=[1.1, 1], concurrent=2)
    assert (better_first.found, better_first.steps) == (40, 100 + 300)


def test_the_next_trial_starts_when_one_has_ended(replay: Any, tmp_path: Path) -> None:
    """The third does, so that it is compared with the first, but not if that one is slow."""
    curves = _curves(replay, (9, 50, 50), (1, 1, 1), (8, 8, 99))
    outcome = replay.asha(curves, plan(tmp_path), paces=[1, 1.1, 1], concurrent=2)
    # Its 8 is above the median of 9 and 1, then below 50.
    assert (outcome.found, outcome.steps) == (50, 300 + 100 + 200)
    outcome = replay.asha(curves, plan(tmp_path), paces=[9, 1, 1], concurrent=2)
    assert (outcome.found, outcome.steps) == (99, 300 + 300 + 300)


def test_random_search_takes_as_many_trials_as_the_steps_pay_rounded_up(replay: Any) -> None:
    curves = _curves(replay, (10, 20, 30), (20, 30, 40), (30, 40, 50))
    assert replay.at_random(curves, budget=600).found == 40
    assert replay.at_random(curves, budget=601).found == 50
    assert replay.at_random(curves, budget=10).found == 30


def test_a_collapsed_trial_is_worth_nothing_and_measures_no_other(
    replay: Any, tmp_path: Path
) -> None:
    collapsed = replay.Curve(
        values={}, steps=(100, 200), mious=(50, 60), scores=(50, 60), collapsed=True
    )
    curves = [collapsed, *_curves(replay, (60, 55, 50), (40, 50, 90))]
    assert (replay.everything(curves).found, replay.everything(curves).steps) == (90, 800)
    # 200 steps were enough for it: the next one starts with the 10 that are left.
    assert replay.at_random(curves, budget=210).found == 50
    outcome = replay.asha(curves, plan(tmp_path), paces=[1, 1, 1], concurrent=1)
    # The last one, with 40, is below the median of 50 and 60, not below 60 at step 200.
    assert (outcome.found, outcome.steps) == (50, 200 + 300 + 100)
