from __future__ import annotations

import pytest

from advent_dist.evaluation.paired import Comparison, Contrast
from advent_dist.evaluation.verdict import interval, verdict


def comparison(low: float, high: float, seeds: int = 1, share: float = 0.0) -> Comparison:
    miou = Contrast(ours=40 + (low + high) / 2, theirs=40.0, low=low, high=high)
    return Comparison(miou=miou, per_class={}, images=60, seeds=seeds, share_of_seeds=share)


def said(found: Comparison, *, adaptation: bool = True) -> str:
    return verdict(found, "advent", "source_only", adaptation=adaptation)


def test_help_and_harm() -> None:
    assert said(comparison(1.2, 5.0, seeds=3)) == (
        "Adaptation helps here: +3.1 mIoU (95 % interval +1.2 to +5.0; 60 images, 3 seeds)."
    )
    assert said(comparison(-5.0, -1.2)) == (
        "Adaptation harms here: -3.1 mIoU (95 % interval -5.0 to -1.2; 60 images). It is that of "
        "one training each: other seeds may differ."
    )
    assert said(comparison(1.0, 3.0, seeds=2)).endswith(
        "2 seeds). Of two seeds such an interval is often too short: train a third."
    )
    assert said(comparison(1.0, 3.0), adaptation=False).startswith(
        "advent is better here than source_only: +2.0 mIoU"
    )
    assert said(comparison(-3.0, -1.0), adaptation=False).startswith(
        "advent is worse here than source_only: -2.0 mIoU"
    )


def test_two_that_are_the_same() -> None:
    assert said(comparison(0.0, 0.0)) == (
        "Both score the same in each of 60 images: more of them, or more seeds, say no more."
    )


@pytest.mark.parametrize(
    ("seeds", "share", "drawn", "advice"),
    [
        (1, 0.0, "60 images", "score more labelled images, or train more seeds"),
        (3, 0.2, "60 images and 3 seeds", "score more labelled images"),
        (3, 0.8, "60 images and 3 seeds", "train more seeds"),
    ],
)
def test_nothing_to_tell(seeds: int, share: float, drawn: str, advice: str) -> None:
    assert said(comparison(-1.2, 0.8, seeds, share)) == (
        f"No difference can be told from {drawn}: the interval goes from a loss of 1.2 to a gain "
        f"of 0.8 mIoU; {advice}."
    )


def test_an_interval_that_can_not_be_computed() -> None:
    nan = float("nan")
    assert interval(Contrast(ours=1.0, theirs=2.0, low=nan, high=nan)) == "-"


def test_what_is_not_of_adaptation_alone() -> None:
    found = comparison(1.2, 5.0, seeds=3)
    others = ["model.encoder", "run.steps"]
    assert verdict(found, "mic", "plain", adaptation=True, others=others) == (
        "mic is better here than plain: +3.1 mIoU (95 % interval +1.2 to +5.0; 60 images, 3 "
        "seeds). Not by adaptation alone: they differ in model.encoder, run.steps, too."
    )
    nothing = verdict(comparison(-1.0, 1.0), "mic", "plain", adaptation=True, others=others)
    assert nothing.endswith("they differ in model.encoder, run.steps, too.")
    many = verdict(found, "mic", "plain", adaptation=True, others=list("abcdef"))
    assert many.endswith("they differ in a, b, c, d and 2 more, too.")
    of_methods = verdict(found, "mic", "dacs", adaptation=False, others=others)
    assert of_methods.endswith("3 seeds).")


def test_one_ensemble_each() -> None:
    words = verdict(comparison(1.2, 5.0), "a + b", "c + d", adaptation=True, each="ensemble")
    assert words.endswith("It is that of one ensemble each: other seeds may differ.")
