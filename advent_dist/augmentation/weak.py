"""The weak augmentation of VFM-UDA: colours that change a little (arXiv 2406.09896)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torchvision.transforms import v2

_COLOURS = v2.ColorJitter(brightness=32 / 255, contrast=0.5, saturation=0.5, hue=18 / 360)
"""The published values; torchvision's formulas, other ones than those of `colour`."""


def weakly_augmented(
    images: Shaped[Tensor, "n 3 h w"], probability: float
) -> Float[Tensor, "n 3 h w"]:
    """Each image by chance with colours of its own; PyTorch's generator of the CPU draws.

    Args:
        images: RGB in 0..255, uint8 or any float.
        probability: of a change.

    Returns:
        RGB in 0..255, float32.
    """
    changes = (torch.rand(len(images)) < probability).tolist()
    unit = images.float() / 255
    changed = [
        _COLOURS(one) if by_chance else one for one, by_chance in zip(unit, changes, strict=True)
    ]
    return torch.stack(changed) * 255
