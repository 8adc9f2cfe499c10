from __future__ import annotations

from typing import Any

import pytest

from advent_dist.errors import ConfigError
from advent_dist.experiments import experiment
from tune.metric import Judge, Metric

MIOU = Metric(name="target_miou", smoothing=3, collapse_share=0.5)


def _row(step: int, miou: float, live: float = 10.0, **more: float) -> dict[str, Any]:
    return {"step": step, "target_miou": miou, "target_live_classes": live, **more}


def _scores(judge: Judge, values: list[float]) -> list[float]:
    rows = [_row(step, value) for step, value in enumerate(values)]
    for row in rows:
        judge.sees(row)
    return [row["score"] for row in rows]


def test_the_score_is_the_median_of_the_latest() -> None:
    assert _scores(Judge(MIOU), [10, 50, 20, 21, 90, 22]) == [10, 30, 20, 21, 21, 22]


def test_a_row_without_evaluation_is_left_alone() -> None:
    row = {"step": 3, "loss/seg": 1.0}
    judge = Judge(MIOU)
    judge.sees(row)
    assert row == {"step": 3, "loss/seg": 1.0}
    assert judge.collapse(row) is None


def test_another_metric_decides() -> None:
    judge = Judge(Metric(name="criterion/entropy", smoothing=1, collapse_share=0.5))
    row = _row(1, 50.0, **{"criterion/entropy": 0.25})
    judge.sees(row)
    assert row["score"] == 0.25


def test_better_means_less_for_entropy() -> None:
    entropy = Metric(name="criterion/entropy", smoothing=1, collapse_share=0.5)
    assert entropy.is_better(0.1, 0.2)
    assert not entropy.is_better(0.2, 0.1)
    assert MIOU.is_better(0.2, 0.1)
    assert MIOU.is_better(-5.0, None)


def test_collapse_is_measured_by_what_the_trial_had() -> None:
    judge, verdicts = Judge(MIOU), []
    for step, live in enumerate([2, 12, 7, 6, 5]):
        row = _row(step, 10.0, live)
        judge.sees(row)
        verdicts.append(judge.collapse(row))
    # Few classes at first are no collapse: a training has to begin.
    assert verdicts[:4] == [None] * 4
    assert verdicts[4] == "at step 4 only 5 of 12 classes are still predicted"


def _verdicts(judge: Judge, losses: list[float]) -> list[str | None]:
    verdicts = []
    for step, loss in enumerate(losses):
        halves = {f"loss/discriminator_{domain}": loss / 2 for domain in ("source", "target")}
        row = _row(step, 10.0, **halves)
        judge.sees(row)
        verdicts.append(judge.collapse(row))
    return verdicts


def test_a_discriminator_without_error_is_a_collapse() -> None:
    verdicts = _verdicts(Judge(MIOU), [0.69, 0.001, 0.001, 0.3, 0.001, 0.002, 0.003])
    assert verdicts[:6] == [None] * 6
    assert "at step 6 the discriminator has told the domains apart" in str(verdicts[6])
    off = Metric(name="target_miou", smoothing=3, collapse_share=0.0)
    assert _verdicts(Judge(off), [0.001] * 5) == [None] * 5


def test_of_several_discriminators_the_mean_counts() -> None:
    """As of a detector, which has one for each map; the auxiliary head's does not count."""
    judge = Judge(MIOU)
    for step, coarse in enumerate((0.3, 0.0, 0.0, 0.0)):
        halves = {f"loss/discriminator0_{domain}": 0.001 for domain in ("source", "target")}
        halves |= {f"loss/discriminator1_{domain}": coarse for domain in ("source", "target")}
        row = _row(step, 10.0, **halves, **{"loss/discriminator_aux_source": 0.6})
        judge.sees(row)
        assert (judge.collapse(row) is None) == (step < 3)


def test_a_score_that_is_no_number_is_a_collapse() -> None:
    judge, row = Judge(MIOU), _row(7, float("nan"))
    judge.sees(row)
    assert "target_miou = nan at step 7" in str(judge.collapse(row))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "target_mou"}, "did you mean target_miou"),
        ({"name": "loss/seg"}, "there is no such metric"),
        ({"smoothing": 0}, "--smoothing 0"),
        ({"collapse_share": 1.0}, "--collapse-share"),
    ],
)
def test_what_a_metric_can_not_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Metric(**{"name": "target_miou", "smoothing": 3, "collapse_share": 0.5, **changes})


def test_a_metric_that_the_experiment_does_not_report() -> None:
    source = Metric(name="source_miou", smoothing=3, collapse_share=0.5)
    source.check(experiment("streets_advent"))
    with pytest.raises(ConfigError, match="camvid_day_dusk_advent does not report it"):
        source.check(experiment("camvid_day_dusk_advent"))
