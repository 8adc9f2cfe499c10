"""Resizing against Pillow, and augmentations that move image and label together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from advent_dist.config import AugmentConfig
from advent_dist.data.resizing import resize_image, resize_label
from advent_dist.data.transforms import augment

SIZES = [(40, 30), (97, 65), (200, 150), (128, 64), (64, 96)]


def noise(height: int, width: int, channels: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(height + width)
    shape = (channels, height, width)
    return torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)


def pillow_bicubic(image: Tensor, size: tuple[int, int]) -> Tensor:
    pixels = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    resized = np.array(pixels.resize(size, Image.Resampling.BICUBIC))
    return torch.from_numpy(resized).permute(2, 0, 1)


# Black or white pixels at random are the hardest case: the filter overshoots the most on them.
@pytest.mark.parametrize("values", [256, 2], ids=["noise", "black and white"])
@pytest.mark.parametrize(
    ("before", "size"),
    [*(((128, 96), size) for size in SIZES), ((1914, 1052), (1280, 720)), ((480, 360), (640, 480))],
)
def test_images_are_resized_as_pillow_does_within_2_of_255(before, size, values):
    width, height = before
    image = (noise(height, width).int() % values * (255 // (values - 1))).to(torch.uint8)
    as_decoded = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    expected = pillow_bicubic(image, size).int()
    for same in (image, as_decoded):
        difference = (resize_image(same, size).int() - expected).abs()
        assert difference.max() <= 2
        assert difference.float().mean() < 0.5


def test_labels_take_the_pixel_at_the_centre():
    label = noise(12, 18, 1)[0]
    assert torch.equal(resize_label(label, (6, 4)), label[1::3, 1::3])
    twice = label.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1)
    assert torch.equal(resize_label(label, (36, 24)), twice)


def test_an_image_of_the_right_size_is_left_alone():
    image, label = noise(20, 30), noise(20, 30, 1)[0]
    assert resize_image(image, (30, 20)) is image
    assert resize_label(label, (30, 20)) is label


def test_no_augmentation_is_just_a_resize():
    image, label = noise(20, 30), noise(20, 30, 1)[0]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        same, labels = augment(image, label, (15, 10), AugmentConfig(), rng)
        assert torch.equal(same, resize_image(image, (15, 10)))
        assert labels is not None
        assert torch.equal(labels, resize_label(label, (15, 10)))


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(flip=0.5),
        AugmentConfig(crop=(7, 5)),
        AugmentConfig(crop=(40, 30)),
        AugmentConfig(crop=(12, 30), flip=0.5),
    ],
)
def test_each_pixel_keeps_its_label(config):
    # Every pixel has a value of its own, in the image's first channel and in the label.
    label = torch.arange(12 * 18, dtype=torch.uint8).reshape(12, 18)
    image = torch.stack([label, label + 1, label + 2])
    results = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        moved, moved_label = augment(image, label, (18, 12), config, rng)
        assert moved_label is not None
        inside = moved_label != 255
        assert torch.equal(moved[0][inside], moved_label[inside])
        assert torch.equal(moved[1][inside], moved_label[inside] + 1)
        assert (moved[:, ~inside] == 0).all()
        width, height = config.crop or (18, 12)
        assert moved.shape == (3, height, width)
        assert inside.sum() == min(width, 18) * min(height, 12)
        results.add(moved_label.numpy().tobytes())
    assert len(results) > 1 or config.crop == (40, 30), "it is random"


def test_scaling_moves_image_and_label_together():
    # Left half 0, right half 10: the border must stay where it is in both.
    label = torch.zeros(32, 64, dtype=torch.uint8)
    label[:, 32:] = 10
    image = (label * 20).expand(3, -1, -1).contiguous()
    config = AugmentConfig(scale=(0.5, 2.0), crop=(130, 70))
    widths = set()
    for seed in range(20):
        moved, moved_label = augment(image, label, (64, 32), config, np.random.default_rng(seed))
        assert moved_label is not None
        inside = moved_label != 255
        agree = (moved[0] > 100) == (moved_label == 10)
        assert agree[inside].float().mean() > 0.95
        widths.add(int((moved_label[0] != 255).sum()))
    assert len(widths) > 3


def test_crops_reach_every_corner_and_both_flips_happen():
    image = torch.arange(25, dtype=torch.uint8).reshape(1, 5, 5).expand(3, -1, -1).contiguous()
    config = AugmentConfig(crop=(3, 3))
    corners = {
        int(augment(image, None, (5, 5), config, np.random.default_rng(seed))[0][0, 0, 0])
        for seed in range(200)
    }
    assert corners == {row * 5 + column for row in range(3) for column in range(3)}


def test_jitter_changes_the_image_alone_and_differs_by_sample():
    image, label = noise(16, 24), noise(16, 24, 1)[0]
    config = AugmentConfig(jitter=0.4)
    jittered = []
    for seed in range(3):
        changed, same = augment(image, label, (24, 16), config, np.random.default_rng(seed))
        assert changed.dtype == torch.uint8
        assert same is not None
        assert torch.equal(same, label)
        jittered.append(changed)
    assert not torch.equal(jittered[0], jittered[1])
    assert not torch.equal(jittered[0], image)


def test_one_knob_does_not_change_the_draws_of_another():
    image = noise(16, 24)
    cropped = augment(image, None, (24, 16), AugmentConfig(crop=(8, 8)), np.random.default_rng(1))
    flipped = augment(
        image, None, (24, 16), AugmentConfig(crop=(8, 8), flip=1.0), np.random.default_rng(1)
    )
    assert torch.equal(cropped[0], flipped[0].flip(-1))
