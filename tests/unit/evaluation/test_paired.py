"""Differences of two models with their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advent_dist.errors import DataError
from advent_dist.evaluation.metrics import iou, mean_iou
from advent_dist.evaluation.overlap import Overlaps
from advent_dist.evaluation.paired import compare, compare_counts

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
NAMES = ("road", "car", "pole", "train")


def confusions(seed: int, images: int = 6) -> torch.Tensor:
    """[n, C, C] without a train; a pole in the first image alone."""
    random = torch.Generator().manual_seed(seed)
    found = torch.randint(1, 90, (images, 4, 4), generator=random)
    found += 100 * torch.eye(4, dtype=torch.int64)
    found[:, 3] = found[:, :, 3] = 0
    found[1:, 2] = found[1:, :, 2] = 0
    return found


def overlaps(confusion: torch.Tensor, prefix: str = "") -> Overlaps:
    inner = confusion.diagonal(dim1=1, dim2=2)
    outer = confusion.sum(1) + confusion.sum(2) - inner
    return Overlaps(
        keys=tuple(f"{prefix}{number}" for number in range(len(confusion))),
        intersection=tuple(map(tuple, inner.tolist())),
        union=tuple(map(tuple, outer.tolist())),
    )


def test_scores_are_those_of_the_summed_confusions() -> None:
    ours, theirs = [confusions(1), confusions(2)], [confusions(3), confusions(4)]
    found = compare([overlaps(one) for one in ours], [overlaps(one) for one in theirs], NAMES)
    expected = [
        torch.stack([mean_iou(one.sum(0)) for one in side]).mean().item() for side in (ours, theirs)
    ]
    assert [found.miou.ours, found.miou.theirs] == pytest.approx(expected)
    assert found.miou.difference == pytest.approx(expected[0] - expected[1])
    road = torch.stack([iou(one.sum(0)) for one in ours]).mean(0)[0].item()
    assert found.per_class["road"].ours == pytest.approx(road)
    assert (found.images, found.seeds) == (6, 2)


def test_wrong_pixels_of_an_absent_class_on_one_side_move_no_mean() -> None:
    """Else a class more is in the mean of that side: here a whole quarter of it."""
    clean = confusions(1)
    stray = clean.clone()
    stray[2, 0, 3] += 1  # a train that nobody else sees
    found = compare([overlaps(stray)], [overlaps(clean)], NAMES)
    assert found.miou.difference == pytest.approx(0, abs=0.05)
    assert found.miou.high - found.miou.low < 0.1
    assert found.per_class["train"].ours == 0


def test_the_interval_of_one_training_is_the_jackknife_of_its_images() -> None:
    one, other = confusions(1), confusions(2)
    found = compare([overlaps(one)], [overlaps(other)], NAMES).miou
    kept = [torch.arange(6) != left_out for left_out in range(6)]
    changes = torch.stack([mean_iou(one[k].sum(0)) - mean_iou(other[k].sum(0)) for k in kept])
    error = (5 / 6 * ((changes - changes.mean()) ** 2).sum()).sqrt().item()
    assert found.high - found.difference == pytest.approx(2.5706 * error, rel=1e-4)
    assert found.difference - found.low == pytest.approx(found.high - found.difference)


def test_a_class_of_one_image_has_no_interval_and_an_absent_one_no_score() -> None:
    found = compare([overlaps(confusions(1))], [overlaps(confusions(2))], NAMES)
    pole, train = found.per_class["pole"], found.per_class["train"]
    assert np.isfinite(pole.difference)
    assert np.isnan([pole.low, pole.high, train.ours, train.difference]).all()
    assert found.to_json()["per_class"]["train"]["ours"] is None
    assert np.isfinite([found.miou.low, found.miou.high]).all()


def test_the_same_twice_differs_by_nothing() -> None:
    found = compare([overlaps(confusions(1))], [overlaps(confusions(1))], NAMES)
    assert (found.miou.low, found.miou.high) == (0, 0)


def test_images_without_a_labelled_pixel_do_not_count() -> None:
    one, other = confusions(1), confusions(2)
    padded = [torch.cat([side, torch.zeros(5, 4, 4, dtype=torch.int64)]) for side in (one, other)]
    found = compare([overlaps(padded[0])], [overlaps(padded[1])], NAMES)
    expected = compare([overlaps(one)], [overlaps(other)], NAMES)
    assert found.to_json() == expected.to_json()


def test_what_can_not_be_compared_is_refused() -> None:
    one = confusions(1)
    first_alone = one * (torch.arange(6) == 0)[:, None, None]
    with pytest.raises(DataError, match="scored on other images"):
        compare([overlaps(one)], [overlaps(one, "other")], NAMES)
    with pytest.raises(DataError, match="1 of 6 images have a labelled pixel"):
        compare([overlaps(first_alone)], [overlaps(first_alone)], NAMES)
    with pytest.raises(DataError, match="counts of 4 classes, where there are 3"):
        compare([overlaps(one)], [overlaps(one)], NAMES[:3])


@pytest.fixture
def coverage(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(_BENCHMARKS)
    import interval_coverage

    return interval_coverage


def test_nineteen_of_twenty_intervals_hold_the_truth(coverage: Any) -> None:
    """Of made-up images and seeds, whose true difference is known.

    By chance alone the share of 2000 intervals has a standard deviation of 0.5 %.
    """
    population = coverage.Population(*coverage.SPREADS["seeds differ"])
    random = np.random.default_rng(0)
    shares = {
        (seeds, images): population.coverage(images, seeds, 2000, random)
        for seeds in (1, 3, 5)
        for images in (20, 50, 200)
    }
    assert {setting: share for setting, share in shares.items() if not 0.93 <= share <= 0.97} == {}


def test_many_images_of_many_classes_fit_into_little_memory() -> None:
    random = np.random.default_rng(0)
    inner = random.integers(0, 1000, (2, 3, 1, 500, 19))
    pixels = np.concatenate([inner, inner + random.integers(1, 1000, inner.shape)], 2)
    assert compare_counts(pixels, [str(number) for number in range(19)]).images == 500
