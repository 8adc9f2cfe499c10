from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from advent_dist.evaluation.counts import count
from advent_dist.evaluation.criteria import (
    SND_PIXELS,
    SND_TEMPERATURE,
    diversity,
    image_density,
    information_maximisation,
    soft_neighbourhood_density,
    spread,
)
from advent_dist.evaluation.unlabelled import Criteria, criteria_of


def _evaluation(logits: Tensor, label: Tensor) -> Criteria:
    return criteria_of(count(logits, label).predictions)


def _one_class_each(num_pixels: int, classes: list[int]) -> Tensor:
    """One-hot distributions of pixels, the classes in turn."""
    indices = torch.tensor([classes[i % len(classes)] for i in range(num_pixels)])
    return torch.nn.functional.one_hot(indices, 11).float()


def test_diversity_is_the_entropy_of_the_mean() -> None:
    assert diversity(torch.full((8,), 1 / 8, dtype=torch.float64)) == pytest.approx(1.0)
    assert diversity(torch.eye(8, dtype=torch.float64)[2]) == pytest.approx(0.0)
    two = torch.tensor([0.5, 0.5, 0, 0, 0, 0, 0, 0], dtype=torch.float64)
    assert diversity(two).item() == pytest.approx(1 / 3)  # 1 bit of log2(8) = 3


def test_information_is_highest_for_sure_and_diverse_predictions() -> None:
    mean = torch.full((4,), 0.25, dtype=torch.float64)
    sure, unsure = torch.tensor(0.0).double(), torch.tensor(1.0).double()
    assert information_maximisation(mean, sure).item() == pytest.approx(1.0)
    assert information_maximisation(mean, unsure).item() == pytest.approx(0.0)


def test_density_of_identical_points_is_that_of_a_uniform_neighbourhood() -> None:
    points = torch.full((10, 4), 0.25)
    assert soft_neighbourhood_density(points).item() == pytest.approx(math.log(9), rel=1e-5)


def test_density_of_two_clusters() -> None:
    """By hand: a point has n - 1 others at similarity 1 and n at similarity 0."""
    n = 6
    near, far = math.exp(1 / SND_TEMPERATURE), 1.0
    total = (n - 1) * near + n * far
    p, q = near / total, far / total
    expected = -(n - 1) * p * math.log(p) - n * q * math.log(q)
    found = soft_neighbourhood_density(_one_class_each(2 * n, [0, 1]))
    assert found.item() == pytest.approx(expected, rel=1e-4)
    warm = soft_neighbourhood_density(_one_class_each(2 * n, [0, 1]), temperature=1e6)
    assert warm.item() == pytest.approx(math.log(2 * n - 1), rel=1e-4)


def test_density_does_not_see_a_pixel_as_its_own_neighbour() -> None:
    alone = torch.eye(3)
    assert soft_neighbourhood_density(alone).item() == pytest.approx(math.log(2))


def test_the_chosen_pixels_are_always_the_same_and_spread_over_the_image() -> None:
    assert spread(10, 256).tolist() == list(range(10))
    indices = spread(192 * 96, SND_PIXELS)
    assert indices.tolist() == spread(192 * 96, SND_PIXELS).tolist()
    assert len(indices) == SND_PIXELS
    assert 0 <= int(indices.min()) < int(indices.max()) < 192 * 96
    assert len((indices % 192).unique()) > 128
    # Every one of 16 equal parts of the image has its share.
    assert torch.bincount(indices * 16 // (192 * 96)).min() >= 14


def test_each_image_has_its_own_density() -> None:
    logits = torch.randn(3, 11, 8, 8)
    together = image_density(logits)
    alone = [image_density(image[None])[0] for image in logits]
    assert together.tolist() == pytest.approx([value.item() for value in alone])


def test_an_evaluation_reports_them() -> None:
    """Half the pixels are surely class 0, half surely class 1: one bit of information."""
    label = torch.zeros(2, 4, 4, dtype=torch.uint8)
    logits = torch.zeros(2, 11, 4, 4)
    logits[:, 0, :2] = logits[:, 1, 2:] = 200
    found = _evaluation(logits, label)
    assert found.diversity == pytest.approx(1 / math.log2(11))
    assert found.mean_entropy == pytest.approx(0, abs=1e-6)
    assert found.information_maximisation == pytest.approx(found.diversity)
    pixels = logits[0].softmax(0).flatten(1).T
    assert found.snd == pytest.approx(soft_neighbourhood_density(pixels).item())


def test_labels_do_not_matter_and_a_collapse_shows() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 11, 16, 16, generator=random)
    labels = torch.randint(0, 11, (2, 2, 16, 16), generator=random, dtype=torch.uint8)
    labels[1, :, :8] = 255
    one, other = (_evaluation(logits, label) for label in labels)
    names = ("mean_entropy", "information_maximisation", "snd", "diversity")
    assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    collapsed = logits.clone()
    collapsed[:, 3] += 100
    gone = _evaluation(collapsed, labels[0])
    # Entropy alone is fooled, diversity and information are not.
    assert gone.mean_entropy < 1e-6 < one.mean_entropy
    assert gone.diversity < 1e-6 < one.diversity
    assert gone.information_maximisation < one.information_maximisation
