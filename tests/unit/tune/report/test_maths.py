"""Seeds, criteria, budget, importance and axes: pure functions of a sweep's numbers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from advent_dist.report.record import RunRecord
from tune.report.budget import budget_of, survivors
from tune.report.choice import best_trial
from tune.report.criteria import (
    CRITERIA,
    Criterion,
    Point,
    judge,
    points_of,
    random_regret,
    rank_correlation,
)
from tune.report.importance import importance_of
from tune.report.parameters import parameters_of, varied
from tune.report.record import Final, Metric, Sweep, Trial
from tune.report.seeds import mean_and_spread, over_seeds
from tune.report.views import views

ENTROPY = next(one for one in CRITERIA if one.title == "Mean entropy")


def trial(number: int, **changes: Any) -> Trial:
    defaults: dict[str, Any] = {
        "number": number,
        "values": {},
        "state": "finished",
    }
    return Trial(**{**defaults, **changes})


def sweep(trials: list[Trial], **changes: Any) -> Sweep:
    defaults: dict[str, Any] = {
        "name": "sweep",
        "experiment": {"name": "streets_advent"},
        "space": {},
        "metric": Metric(name="target_miou"),
        "max_steps": 300,
        "trials": trials,
    }
    return Sweep(**{**defaults, **changes})


def points(pairs: list[tuple[float, float]]) -> list[Point]:
    return [
        Point(trial=str(number), step=1, value=value, accuracy=accuracy)
        for number, (value, accuracy) in enumerate(pairs)
    ]


def test_mean_and_spread_are_those_of_a_sample() -> None:
    assert mean_and_spread([1.0, None, 3.0]) == (2.0, pytest.approx(math.sqrt(2)))
    assert mean_and_spread([5.0]) == (5.0, None)
    assert mean_and_spread([None]) == (None, None)


def test_over_seeds_keeps_the_form_of_an_evaluation() -> None:
    mean, spread = over_seeds(
        [
            {"miou": 30.0, "per_class": {"car": 50.0, "bus": None}},
            {"miou": 34.0, "per_class": {"car": None, "bus": None}},
        ]
    )
    assert mean == {"miou": 32.0, "per_class": {"car": 50.0, "bus": None}}
    assert spread["miou"] == pytest.approx(math.sqrt(8))
    assert spread["per_class"] == {"car": None, "bus": None}
    assert over_seeds([]) == ({}, {})


def test_rank_correlation_sees_order_only() -> None:
    assert rank_correlation([1, 2, 3, 4], [1, 10, 11, 1000]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [8, 7, 3, 0]) == pytest.approx(-1)
    # 1 - 6 sum(d^2) / (n (n^2 - 1)) with d = 0, 1, -1, 0
    assert rank_correlation([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(1 - 12 / 60)


def test_rank_correlation_shares_the_rank_of_ties() -> None:
    # Ranks 1.5, 1.5, 3 against 1, 2, 3: Pearson of the ranks.
    assert rank_correlation([1, 1, 2], [1, 2, 3]) == pytest.approx(1.5 / math.sqrt(1.5 * 2))


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, 1.0, 1.0]])
def test_rank_correlation_is_undefined_without_an_order(values: list[float]) -> None:
    assert rank_correlation(values, [1.0, 2.0, 3.0][: len(values)]) is None


def test_regret_is_what_the_choice_lost() -> None:
    found = judge(points([(0.1, 30.0), (0.2, 40.0), (0.3, 10.0)]), "min")
    assert found.regret == pytest.approx(10.0)
    assert found.correlation == pytest.approx(0.5)
    highest = judge(points([(0.1, 30.0), (0.2, 40.0), (0.3, 10.0)]), "max")
    assert highest.regret == pytest.approx(30.0)
    assert highest.correlation == pytest.approx(-0.5)


def test_what_is_not_finite_takes_no_part() -> None:
    found = judge(points([(math.nan, 99.0), (1.0, 30.0), (2.0, math.inf)]), "max")
    assert (found.points, found.regret) == (1, 0.0)
    assert judge([], "max").regret is None


def test_a_blind_choice_loses_the_mean_distance_to_the_best() -> None:
    assert random_regret(points([(0, 10.0), (0, 20.0), (0, 30.0)])) == pytest.approx(10.0)
    assert random_regret([]) is None


def test_points_need_both_numbers_and_take_the_first_known_name() -> None:
    rows = [
        {"step": 10, "target_miou": 20.0, "target_entropy": 0.4},
        {"step": 20, "target_miou": 25.0, "target_entropy": 0.3},
        {"step": 30, "target_entropy": 0.2},
    ]
    made = trial(1, run=RunRecord(name="", metrics=rows))
    assert [(p.step, p.value) for p in points_of([made], ENTROPY)] == [(10, 0.4), (20, 0.3)]
    other = Criterion(title="", names=("absent",), mode="max", source="")
    assert points_of([made], other) == []


def test_views_compare_at_one_step_and_leave_out_the_collapsed() -> None:
    def at(number: int, steps: list[int], state: str = "finished") -> Trial:
        rows = [{"step": s, "target_miou": 1.0 * s, "target_entropy": 0.1} for s in steps]
        return trial(number, state=state, run=RunRecord(name="", metrics=rows))

    trials = [at(0, [20, 48, 90]), at(1, [20]), at(2, [50, 300]), at(3, [50], "collapsed")]
    first, last, every = views(sweep(trials, rungs=[50]), ENTROPY)
    assert [point.step for point in first.points] == [48, 50]  # step 20 is no step 50
    assert [point.step for point in last.points] == [90, 20, 300]
    assert len(every.points) == 6


def test_budget_counts_steps_hours_and_money() -> None:
    trials = [
        trial(0, steps=300, seconds=3600.0),
        trial(1, steps=50, seconds=900.0, state="stopped"),
        trial(2, steps=0, state="pending"),
    ]
    finals = [Final(which="best", seed=1, seconds=1800.0), Final(which="best", seed=2)]
    used = budget_of(
        sweep(trials, finals=finals, cpus_per_trial=4.0, gpus_per_trial=2.0, price_per_hour=3.0)
    )
    assert (used.steps, used.full_steps, used.share) == (350, 600, pytest.approx(350 / 600))
    assert (used.device, used.device_hours) == ("GPU", pytest.approx(3.5))
    assert used.cost == pytest.approx(10.5)
    cpu = budget_of(sweep(trials, cpus_per_trial=4.0, price_per_hour=3.0), price_per_hour=0.5)
    assert (cpu.device, cpu.cost) == ("CPU", pytest.approx(1.25 * 4 * 0.5))
    nothing = budget_of(sweep([]))
    assert (nothing.share, nothing.cost, nothing.final_hours) == (None, None, None)


def test_survivors_enclose_the_steps_that_were_trained() -> None:
    trials = [trial(0, steps=300), trial(1, steps=50), trial(2, steps=50), trial(3, steps=120)]
    curve = survivors(trials, 300)
    assert curve == [(0, 4), (50, 2), (120, 1), (300, 0)]
    area = sum((later - step) * alive for (step, alive), (later, _) in pairwise(curve))
    assert area == sum(one.steps for one in trials)


def number_of_best(trials: list[Trial], **changes: Any) -> int | None:
    best = best_trial(sweep(trials, **changes))
    return None if best is None else best.number


def test_the_best_trial_has_finished_and_not_collapsed() -> None:
    trials = [
        trial(0, state="collapsed", score=90.0),
        trial(1, state="failed", score=80.0),
        trial(2, state="stopped", score=50.0),
        trial(3, score=20.0, best_score=20.0),
        trial(4, score=10.0, best_score=60.0),
    ]
    assert number_of_best(trials) == 3
    assert number_of_best(trials[:3]) == 2
    assert number_of_best(trials[:2]) is None
    assert number_of_best(trials, best="00004") == 4
    assert number_of_best(trials, metric=Metric(name="criterion/entropy", mode="min")) == 4


SPACE = {
    "method.lambda_adv": {"kind": "loguniform", "low": 1e-4, "high": 1e-1},
    "method.lambda_adv_aux": {"kind": "ratio", "low": 0.05, "high": 1, "of": "method.lambda_adv"},
    "optimizer.segmenter": {"kind": "choice", "values": ["sgd", "adamw"]},
}


def test_axes_are_where_the_values_were_drawn() -> None:
    main, aux, optimizer = parameters_of(sweep([], space=SPACE))
    made = trial(
        0,
        values={
            "method.lambda_adv": 1e-2,
            "method.lambda_adv_aux": 1e-3,
            "optimizer.segmenter": "adamw",
        },
    )
    assert [one.label for one in (main, aux)] == ["lambda_adv", "lambda_adv_aux / lambda_adv"]
    assert main.position(made) == pytest.approx(-2)
    assert aux.position(made) == pytest.approx(-1)
    assert optimizer.position(made) == 1.0
    assert main.position(trial(1)) is None
    assert varied([main, aux, optimizer], [made, trial(1)]) == []


def test_importance_finds_the_parameter_that_matters() -> None:
    space = {name: {"kind": "uniform", "low": 0, "high": 1} for name in ("a.matters", "a.idle")}
    trials = []
    for number in range(16):
        matters, idle = number / 15, (7 * number % 16) / 15
        rows = [{"step": 50, "target_miou": 40 * matters}, {"step": 300, "target_miou": 100.0}]
        values = {"a.matters": matters, "a.idle": idle}
        trials.append(trial(number, values=values, run=RunRecord(name="", metrics=rows)))
    searched = sweep(trials, space=space, rungs=[50])
    found = importance_of(searched, parameters_of(searched))
    (first, share, _), (_, other, _) = found.shares
    assert first.path == "a.matters"
    assert share > 0.7 > 0.2 > other
    assert (found.step, found.trials) == (50, 16)


def test_importance_says_why_there_is_none() -> None:
    space = {name: {"kind": "uniform", "low": 0, "high": 1} for name in ("a", "b")}
    few = sweep([trial(0, values={"a": 0.1, "b": 0.2})], space=space)
    assert "at least 6" in importance_of(few, parameters_of(few)).missing
    assert importance_of(few, []).missing
    rows = [{"step": 300, "target_miou": 5.0}]
    same = sweep(
        [
            trial(n, values={"a": n / 9, "b": n % 3}, run=RunRecord(name="", metrics=rows))
            for n in range(9)
        ],
        space=space,
    )
    assert "the same" in importance_of(same, parameters_of(same)).missing
