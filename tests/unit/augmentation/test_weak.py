from __future__ import annotations

import pytest
import torch

from advent_dist.augmentation.weak import weakly_augmented


@pytest.fixture
def images() -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, 20, 30), generator=random, dtype=torch.uint8)


def test_colours_change_within_the_range(images: torch.Tensor) -> None:
    changed = weakly_augmented(images, 1.0)
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 255 + 1e-3
    for one, other in zip(images, changed, strict=True):
        assert (one - other).abs().mean() > 1


def test_each_image_has_its_own_coin_and_colours(images: torch.Tensor) -> None:
    torch.testing.assert_close(weakly_augmented(images, 0.0), images.float())
    alike = images[:1].expand(40, -1, -1, -1)
    torch.manual_seed(0)
    changed = weakly_augmented(alike, 0.5)
    kept = [
        torch.allclose(one, other.float(), atol=1e-3)
        for one, other in zip(changed, alike, strict=True)
    ]
    assert 8 <= sum(kept) <= 32
    means = {round(float(one.mean()), 2) for one in changed}
    assert len(means) > 40 - sum(kept) - 3
    torch.manual_seed(0)
    assert weakly_augmented(alike, 0.5).equal(changed)
