"""What Fourier amplitudes do to a batch; the golden tests have the formula."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from advent_dist.augmentation.fourier import in_target_style, with_low_amplitudes
from advent_dist.config.override import override
from advent_dist.errors import ConfigError
from advent_dist.experiments import experiment
from advent_dist.types import DomainBatch
from tests.helpers import random_batch


def _images(height: int, width: int, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (2, 3, height, width), generator=random, dtype=torch.uint8)


@pytest.mark.parametrize(("height", "width"), [(7, 9), (8, 8), (8, 5), (1, 4)])
def test_frequencies_up_to_b_are_the_others_and_the_rest_is_kept(height: int, width: int) -> None:
    images, styles = _images(height, width, 0), _images(height, width, 1)
    for beta in (0.0, 0.3, 0.5):
        reach = int(beta * min(height, width))
        changed = torch.fft.fft2(with_low_amplitudes(images, styles, beta).double())
        rows, columns = (torch.fft.fftfreq(side, 1 / side).abs() for side in (height, width))
        low = (rows[:, None] <= reach) & (columns <= reach)
        own, other = (torch.fft.fft2(one.double()) for one in (images, styles))
        expected = torch.where(low, torch.polar(other.abs(), own.angle()), own)
        torch.testing.assert_close(changed, expected, rtol=1e-4, atol=1e-2)


def test_the_own_style_changes_nothing() -> None:
    images = _images(9, 6, 0)
    changed = with_low_amplitudes(images, images, 0.4)
    torch.testing.assert_close(changed, images.float(), rtol=0, atol=1e-3)


def _batch() -> DomainBatch:
    batch = random_batch(0)
    return replace(batch, target_image=batch.target_image[..., :64])


def test_each_source_image_gets_one_of_the_target_images() -> None:
    batch = _batch()
    own, targets = (one.float().mean((2, 3)) for one in (batch.source_image, batch.target_image))
    drawn = set()
    for seed in range(20):
        torch.manual_seed(seed)
        changed = in_target_style(batch, 0.0)
        means = changed.source_image.mean((2, 3))
        nearest = [int((targets - mean).norm(dim=1).argmin()) for mean in means]
        torch.testing.assert_close(means, targets[nearest], rtol=0, atol=1e-3)
        drawn.add(tuple(nearest))
    assert drawn == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert not torch.allclose(own, means, atol=1e-3)
    assert changed.source_label is batch.source_label
    assert changed.target_image is batch.target_image


def test_both_domains_need_one_size() -> None:
    base = experiment("streets_minent")
    sizes = {"data.target_size": (96, 96), "data.augment.fda_beta": 0.01}
    with pytest.raises(ConfigError, match=r"data\.augment\.crop = None: data\.augment\.fda_beta"):
        override(base, sizes)
    override(base, {**sizes, "data.augment.crop": (64, 64)})
