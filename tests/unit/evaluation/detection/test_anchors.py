from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from advent_dist.errors import DivergedError
from advent_dist.evaluation.detection.anchors import (
    AnchorSums,
    anchor_entropy,
    criteria_of_anchors,
)


def logits_of(probabilities: list[list[float]]) -> Tensor:
    return torch.tensor([probabilities]).log()


def entropy(*probabilities: float) -> float:
    """Normalised, of those that are not 0."""
    total = -sum(p * math.log(p) for p in probabilities if p > 0)
    return total / math.log(len(probabilities))


SURE = [0.02, 0.97, 0.01]
UNSURE = [0.5, 0.1, 0.4]
NOTHING = [0.95, 0.04, 0.01]


def test_only_anchors_that_see_an_object_count() -> None:
    with_it = criteria_of_anchors(AnchorSums.of(logits_of([SURE, UNSURE, NOTHING, NOTHING])))
    assert with_it == criteria_of_anchors(AnchorSums.of(logits_of([SURE, UNSURE])))


def test_by_hand() -> None:
    found = criteria_of_anchors(AnchorSums.of(logits_of([SURE, UNSURE])))
    assert found.mean_entropy == pytest.approx((entropy(*SURE) + entropy(*UNSURE)) / 2, rel=1e-5)
    one, other = [0.97 / 0.98, 0.01 / 0.98], [0.2, 0.8]
    mean = [(a + b) / 2 for a, b in zip(one, other, strict=True)]
    assert found.diversity == pytest.approx(entropy(*mean), rel=1e-5)
    certainty = (entropy(*one) + entropy(*other)) / 2
    assert found.information_maximisation == pytest.approx(entropy(*mean) - certainty, rel=1e-5)
    assert found.live_classes == 2


def test_sums_add_over_batches() -> None:
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4, 50, 5, generator=random)
    whole = criteria_of_anchors(AnchorSums.of(logits))
    parts = AnchorSums.zeros(4, torch.device("cpu"))
    for part in logits.split([1, 3]):
        parts = parts + AnchorSums.of(part)
    added = criteria_of_anchors(parts)
    for name, value in vars(whole).items():
        assert getattr(added, name) == pytest.approx(value, rel=1e-9), name
    assert 0 < whole.information_maximisation < whole.diversity <= 1


def test_a_detector_that_sees_nothing_is_the_worst() -> None:
    found = criteria_of_anchors(AnchorSums.of(logits_of([NOTHING, NOTHING])))
    assert (found.mean_entropy, found.information_maximisation, found.diversity) == (1, 0, 0)
    assert found.live_classes == 0


def test_one_class() -> None:
    """Of which every distribution without the background is the same."""
    found = criteria_of_anchors(AnchorSums.of(logits_of([[0.1, 0.9], [0.5, 0.5]])))
    assert found.mean_entropy == pytest.approx((entropy(0.1, 0.9) + 1) / 2, rel=1e-5)
    assert (found.information_maximisation, found.diversity, found.live_classes) == (0, 0, 1)


def test_what_is_not_finite_is_told() -> None:
    logits = logits_of([SURE, UNSURE])
    logits[0, 1, 2] = torch.nan
    with pytest.raises(DivergedError, match="predictions are not finite"):
        criteria_of_anchors(AnchorSums.of(logits))


def test_entropy_of_each_anchor() -> None:
    found = anchor_entropy(logits_of([SURE, UNSURE, [1 / 3] * 3]))
    assert found.shape == (1, 3)
    expected = [entropy(*SURE), entropy(*UNSURE), 1.0]
    assert found[0].tolist() == pytest.approx(expected, rel=1e-5)
