"""`benchmarks/gaps/table.py`, which makes docs/results.md's tables and their ratios."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(_BENCHMARKS)
    from gaps import table

    return table


def result(method: str, miou: float, *, seed: int = 1, values: str = "") -> dict[str, Any]:
    """A training of one snapshot, scored on two images of one class."""
    held_out = {
        "miou": miou,
        "per_class": {"road": miou},
        "intersection": [[int(miou)], [int(miou)]],
        "union": [[100], [100]],
    }
    snapshot = {
        "step": 400,
        "seconds": 10.0,
        "label_free": {"target_live_classes": 1},
        "tune": {"miou": miou},
        "held_out": held_out,
    }
    return {
        "task": "T2",
        "encoder": "lite0",
        "method": method,
        "values": values,
        "seed": seed,
        "steps": 400,
        "budget": "400 steps",
        "snapshots": [snapshot],
    }


BOUNDS = [
    result(method, miou, seed=seed)
    for method, miou in (("source_only", 40.0), ("oracle", 50.0))
    for seed in (1, 2)
]
OF = "gap closed, lite0, 400 steps"


def test_bounds_of_other_values_close_no_gap(made: Any) -> None:
    tried = [result("oracle", 52.0, values="a=1"), result("source_only", 41.0, values="a=1")]
    assert made.ratios([*BOUNDS, *tried]) == {}


def test_the_best_has_as_many_seeds_as_the_bounds(made: Any) -> None:
    few = result("dacs", 49.0, seed=1)
    found = [result("advent", miou, seed=seed) for seed, miou in ((1, 46.0), (2, 44.0))]
    assert made.ratios([*BOUNDS, few, *found]) == {
        f"T2 best {OF}": pytest.approx(0.5),
        f"T2 advent {OF}": pytest.approx(0.5),
        f"T2 dacs {OF}": pytest.approx(0.9),
    }


def test_a_share_is_of_the_seeds_that_all_three_have(made: Any) -> None:
    bounds = [*BOUNDS, result("source_only", 10.0, seed=3)]
    assert made.ratios([*bounds, result("advent", 45.0, seed=1), result("advent", 0.0, seed=3)])[
        f"T2 advent {OF}"
    ] == pytest.approx(0.5)


def test_what_bounds_gain_by_values_is_no_adaptation(made: Any) -> None:
    """Of a learning rate that source-only and the oracle were trained with as well."""
    faster = "optimizer.segmenter_lr=0.01"
    tuned = result("advent", 48.0, values=f"method.lambda_adv=0.1, {faster}")
    assert made.ratios([*BOUNDS, tuned]) == {}, "nobody knows what is of the rate"
    bounds = [*BOUNDS, result("source_only", 46.0, values=faster)]
    name = f"T2 advent method.lambda_adv=0.1, {faster} {OF}"
    assert made.ratios([*bounds, tuned])[name] == pytest.approx(2 / 4)
    bounds.append(result("oracle", 54.0, values=faster))
    assert made.ratios([*bounds, tuned])[name] == pytest.approx(2 / 8)
    slower = [*BOUNDS, result("source_only", 30.0, values=faster)]
    assert made.ratios([*slower, tuned])[name] == pytest.approx(0.8), "the better of the two"
    assert "+2.0 (" in made.table([*bounds, tuned]).split("advent")[0].split("AdvEnt")[1]


def test_another_network_has_bounds_of_its_own(made: Any) -> None:
    other = "model.decoder=daformer"
    found = [*BOUNDS, result("advent", 55.0, values=other)]
    assert made.ratios(found) == {}
    found.append(result("source_only", 53.0, values=other))
    assert made.ratios(found) == {}
    found.append(result("oracle", 57.0, values=other))
    assert made.ratios(found)[f"T2 advent {other} {OF}"] == pytest.approx(0.5)
