"""What is drawn for strong augmentation, ClassMix and masks; the golden tests have the formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from advent_dist.augmentation import blocks
from advent_dist.augmentation.blur import blur
from advent_dist.augmentation.classmix import choose_classes, paste
from advent_dist.augmentation.colour import Jitter
from advent_dist.augmentation.strong import StrongAugmentation


@pytest.fixture
def images() -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, 40, 60), generator=random, dtype=torch.uint8)


def _strong(jitter: float, blurs: float, strength: float = 0.2) -> StrongAugmentation:
    return StrongAugmentation(jitter=strength, jitter_probability=jitter, blur_probability=blurs)


def test_by_chance_nothing_changes(images: Tensor) -> None:
    assert _strong(0.0, 0.0)(images) is images


@pytest.mark.parametrize(("jitter", "blurs"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_changed_images_stay_in_range(images: Tensor, jitter: float, blurs: float) -> None:
    torch.manual_seed(1)  # which draws a blur that can be seen
    changed = _strong(jitter, blurs)(images)
    assert changed.dtype == torch.float32
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 255 + 1e-3
    assert (changed - images.float()).abs().mean() > 1


def test_each_image_has_its_own_colours_and_one_batch_one_coin() -> None:
    grey = torch.full((2, 3, 8, 8), 100, dtype=torch.uint8)
    torch.manual_seed(0)
    changed = [_strong(0.5, 0.0)(grey) for _ in range(40)]
    same = [one is grey for one in changed]
    assert 8 <= sum(same) <= 32
    for one in changed:
        if one is not grey:
            assert (one[0] - one[1]).abs().max() > 1e-3


def test_the_same_generator_draws_the_same_whatever_the_probabilities(images: Tensor) -> None:
    after = []
    for probabilities in ((0.0, 0.0), (1.0, 1.0)):
        torch.manual_seed(1)
        _strong(*probabilities)(images)
        after.append(torch.rand(1))
    assert after[0] == after[1]


def test_no_strength_is_no_change_of_colours(images: Tensor) -> None:
    torch.testing.assert_close(
        _strong(1.0, 0.0, strength=0.0)(images), images.float(), rtol=0, atol=1e-3
    )


def test_grey_has_no_hue_and_no_saturation() -> None:
    grey = torch.full((1, 3, 4, 4), 0.5)
    one = torch.ones(1)
    jitter = Jitter(
        brightness=one, contrast=one, saturation=2 * one, hue=one / 3, order=[2, 3, 0, 1]
    )
    torch.testing.assert_close(jitter(grey), grey)


def test_a_third_of_a_turn_makes_green_of_red() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    one = torch.ones(1)
    jitter = Jitter(brightness=one, contrast=one, saturation=one, hue=one / 3, order=[3, 0, 1, 2])
    torch.testing.assert_close(jitter(red).flatten(), torch.tensor([0.0, 1.0, 0.0]))


def test_a_blur_keeps_what_is_constant_and_the_mean_far_from_borders() -> None:
    constant = torch.full((1, 1, 40, 60), 0.3)
    torch.testing.assert_close(blur(constant, 1.0), constant)
    point = torch.zeros(1, 1, 200, 200)
    point[..., 100, 100] = 1.0
    blurred = blur(point, 1.0)
    assert blurred.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert blurred[..., 100, 100].item() == pytest.approx(1 / (2 * torch.pi), rel=1e-3)


def test_half_of_an_images_own_classes_are_pasted() -> None:
    label = torch.zeros(2, 4, 4, dtype=torch.uint8)
    label[0] = torch.arange(16).view(4, 4) % 5
    label[1, 0, 0] = 255
    counts = torch.zeros(5)
    for seed in range(200):
        random = torch.Generator().manual_seed(seed)
        chosen = choose_classes(label, torch.rand(2, 256, generator=random))
        assert chosen.sum(1).tolist() == [3, 1]
        assert not chosen[0, 5:].any()
        assert chosen[1, [0, 255]].sum() == 1
        counts += chosen[0, :5]
        mask = paste(chosen, label)
        assert mask[0].equal(chosen[0][label[0].long()])
    assert (counts / 200 - 3 / 5).abs().max() < 0.12


def test_a_batchs_classes_may_be_missing_in_an_image() -> None:
    label = torch.stack([torch.full((2, 2), 3), torch.full((2, 2), 7)]).to(torch.uint8)
    draws = torch.zeros(2, 256)
    draws[:, 7] = 1.0
    chosen = choose_classes(label, draws, "batch")
    assert chosen.nonzero().tolist() == [[0, 7], [1, 7]]
    assert [int(one.sum()) for one in paste(chosen, label)] == [0, 4]


def test_a_mask_hides_its_share_in_blocks() -> None:
    draws = torch.rand(50, *blocks.grid(64, 128, 16), generator=torch.Generator().manual_seed(0))
    seen = blocks.kept(draws, 0.7, 64, 128)
    assert seen.float().mean().item() == pytest.approx(0.3, abs=0.03)
    coarse = seen[:, 0].unfold(1, 16, 16).unfold(2, 16, 16).float().mean((3, 4))
    assert set(coarse.unique().tolist()) == {0.0, 1.0}
