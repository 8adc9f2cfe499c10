from __future__ import annotations

import torch
from torchvision.transforms import v2

from advent_dist.augmentation.blur import kernel_size
from advent_dist.augmentation.vivid import _SIGMA, _Blur, vividly_augmented


def test_each_image_has_its_own_chances() -> None:
    random = torch.Generator().manual_seed(0)
    one = torch.randint(0, 256, (1, 3, 40, 60), generator=random, dtype=torch.uint8)
    alike = one.expand(60, -1, -1, -1)
    torch.testing.assert_close(vividly_augmented(alike, 0.0), alike.float())
    torch.manual_seed(0)
    changed = vividly_augmented(alike, 1.0)
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 255 + 1e-3
    spread = changed.amax(1) - changed.amin(1)
    grey = (spread < 1e-3).flatten(1).all(1)
    assert 1 <= grey.sum() <= 15
    steps = (changed[..., 1:] - changed[..., :-1]).abs().mean((1, 2, 3))
    own = (alike[..., 1:].float() - alike[..., :-1].float()).abs().mean()
    assert 10 <= (steps < own / 3).sum() <= 50, "about half of them are blurred"
    kept = [torch.allclose(each, one[0].float(), atol=1e-3) for each in changed]
    assert 1 <= sum(kept) <= 20
    torch.manual_seed(0)
    assert vividly_augmented(alike, 1.0).equal(changed)


def test_the_blur_is_torchvisions() -> None:
    image = torch.rand(3, 200, 200, generator=torch.Generator().manual_seed(0))
    theirs = v2.GaussianBlur(kernel_size(200), _SIGMA)
    for seed in range(4):
        torch.manual_seed(seed)
        expected = theirs(image)
        torch.manual_seed(seed)
        torch.testing.assert_close(_Blur()(image), expected, rtol=0, atol=4e-6)
