"""The maps that a discriminator sees, and entropies, against the formulas by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from advent_dist.losses import entropy_loss
from advent_dist.methods.detection.distributions import as_map, information, probabilities
from advent_dist.models.detection.discriminator import MapDiscriminator
from advent_dist.models.detection.output import Level
from tests.detection_helpers import random_box_batch, tiny_detector

LEVEL = Level(height=2, width=3, anchors_per_cell=2)


def logits(classes: int = 4) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randn(2, LEVEL.anchors, classes, generator=random, dtype=torch.float64)


def test_with_the_background_it_is_the_papers_self_information() -> None:
    p = logits().softmax(-1)
    expected = -p * p.log() / math.log(4)
    torch.testing.assert_close(information(logits(), "class")[..., 0].transpose(1, 2), expected)
    entropy = information(logits(), "class").sum(1).mean()
    torch.testing.assert_close(entropy, entropy_loss(probabilities(logits(), "class")))


def test_renormalised_the_background_makes_no_difference() -> None:
    p = logits().softmax(-1)[..., 1:]
    p = p / p.sum(-1, keepdim=True)
    found = probabilities(logits(), "renormalised")[..., 0].transpose(1, 2)
    torch.testing.assert_close(found, p)
    expected = -p * p.log() / math.log(3)
    found = information(logits(), "renormalised")[..., 0].transpose(1, 2)
    torch.testing.assert_close(found, expected)
    other = logits()
    other[..., 0] += 7
    assert information(other, "renormalised").equal(information(logits(), "renormalised"))


def test_dropped_only_its_own_term_is_missing() -> None:
    for of in (probabilities, information):
        assert of(logits(), "dropped").equal(of(logits(), "class")[:, 1:])


def test_a_map_has_the_anchors_where_they_are() -> None:
    """Each value is written as its anchor's row, column, number in the cell, and class."""
    values = torch.zeros(1, 4, LEVEL.anchors, 1)
    anchor = 0
    for row in range(2):
        for column in range(3):
            for number in range(2):
                for one in range(4):
                    values[0, one, anchor, 0] = 1000 * row + 100 * column + 10 * number + one
                anchor += 1
    found = as_map(values, LEVEL)
    assert found.shape == (1, 8, 2, 3)
    for row in range(2):
        for column in range(3):
            expected = [1000 * row + 100 * column + 10 * n + c for n in range(2) for c in range(4)]
            assert found[0, :, row, column].tolist() == expected


def test_a_map_is_that_of_the_heads_convolution() -> None:
    """As torchvision's head has it before it makes anchors of it."""
    detector = tiny_detector().eval()
    images = random_box_batch(0).source_image
    with torch.no_grad():
        pixels = detector.normalise(images)
        features = list(detector.backbone(pixels).values())
        raw = detector.head.classification_head.module_list[1](features[1])
        output = detector(images)
    transposed = output.logits_of(1).transpose(1, 2)[..., None]
    torch.testing.assert_close(as_map(transposed, output.levels[1]), raw)


@pytest.mark.parametrize("background", ["class", "renormalised", "dropped"])
def test_gradients_are_those_of_differences(background: str) -> None:
    given = logits().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda raw: as_map(information(raw, background), LEVEL), (given,)
    )


@pytest.mark.parametrize(
    ("side", "convolutions", "left"), [(38, 4, 4), (19, 3, 4), (10, 2, 5), (5, 2, 5), (1, 2, 1)]
)
def test_a_discriminator_is_as_deep_as_a_map_has_room_for(
    side: int, convolutions: int, left: int
) -> None:
    network = MapDiscriminator(12, side, side, base=4)
    assert sum("weight" in name for name, _ in network.named_parameters()) == convolutions
    assert network(torch.rand(1, 12, side, side)).shape == (1, 1, left, left)
