"""The augmentation of source images in VFM-UDA++: strong colours, grey, blur (arXiv 2503.10685)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torchvision.transforms import v2

from advent_dist.augmentation.blur import blur

_SIGMA = (0.15, 3.0)
"""Of the blur, in pixels."""


class _Blur(nn.Module):
    """`v2.GaussianBlur` along one side after the other: of 1120 pixels its kernel has 111 x 111."""

    def forward(self, image: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
        return blur(image[None], torch.empty(1).uniform_(*_SIGMA).item())[0]


_COLOURS = v2.RandomApply(
    [v2.ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.4)], p=0.8
)
_GREY = v2.RandomGrayscale(p=0.1)
_BLUR = v2.RandomApply([_Blur()], p=0.5)


def vividly_augmented(
    images: Shaped[Tensor, "n 3 h w"], probability: float
) -> Float[Tensor, "n 3 h w"]:
    """Each image by chances of its own; PyTorch's generator of the CPU draws.

    Args:
        images: RGB in 0..255, uint8 or any float.
        probability: of these chances: 1 as published, 0 changes nothing.

    Returns:
        RGB in 0..255, float32.
    """
    change = v2.Compose([_COLOURS, _GREY, _BLUR])
    changes = (torch.rand(len(images)) < probability).tolist()
    unit = images.float() / 255
    changed = [
        change(one) if by_chance else one for one, by_chance in zip(unit, changes, strict=True)
    ]
    return torch.stack(changed) * 255
