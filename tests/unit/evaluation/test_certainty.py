from __future__ import annotations

import pytest
import torch

from advent_dist.evaluation.certainty import certainty_of
from advent_dist.losses import self_information


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1000.0])
def test_it_is_what_the_probabilities_say(scale: float) -> None:
    """From equal classes to certain ones."""
    logits = scale * torch.randn(2, 19, 12, 16, generator=torch.Generator().manual_seed(1))
    probabilities = logits.double().softmax(1)
    found = certainty_of(logits)
    torch.testing.assert_close(
        found.entropy.double(), self_information(probabilities).sum(1), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(
        found.probability, probabilities.sum((0, 2, 3)), rtol=1e-5, atol=1e-6
    )
    assert found.entropy.min() >= 0
    assert found.entropy.max() <= 1


def test_the_first_of_equal_classes_is_predicted_as_by_argmax() -> None:
    logits = torch.randint(0, 3, (2, 19, 12, 16)).float()
    assert torch.equal(certainty_of(logits).prediction, logits.argmax(1))


def test_logits_are_left_as_they_are() -> None:
    logits = torch.randn(1, 5, 4, 4)
    before = logits.clone()
    certainty_of(logits)
    assert torch.equal(logits, before)


def test_of_one_class_everything_is_certain() -> None:
    found = certainty_of(torch.randn(1, 1, 2, 3))
    assert found.entropy.tolist() == [[[0.0] * 3] * 2]
    assert found.probability.tolist() == [6.0]
