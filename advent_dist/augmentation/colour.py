"""Colour jitter as DACS, DAFormer and MIC have it: the formulas of kornia 0.5.

They are not torchvision's: brightness adds, contrast multiplies without a mean, saturation
multiplies HSV's S. Every step clamps to [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from advent_dist.augmentation.draws import on_device


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """What was drawn for a batch: a value an image and change, and their one order."""

    brightness: Float[Tensor, " n"]
    """1 changes nothing."""

    contrast: Float[Tensor, " n"]
    """1 changes nothing."""

    saturation: Float[Tensor, " n"]
    """1 changes nothing."""

    hue: Float[Tensor, " n"]
    """Turns of the colour circle; 0 changes nothing."""

    order: Sequence[int]
    """A permutation of 0..3 over the fields above."""

    @classmethod
    def draw(cls, images: int, strength: float) -> Jitter:
        """Factors in 1 +- strength and turns in +- strength, from PyTorch's generator of the CPU.

        Args:
            images: n.
            strength: in [0, 1).
        """
        values = (torch.rand(4, images) * 2 - 1) * strength
        return cls(
            brightness=1 + values[0],
            contrast=1 + values[1],
            saturation=1 + values[2],
            hue=values[3],
            order=torch.randperm(4).tolist(),
        )

    def __call__(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
        """The images changed.

        Args:
            images: RGB in [0, 1].
        """
        changes = (brighten, contrast, saturate, turn_hue)
        drawn = torch.stack((self.brightness, self.contrast, self.saturation, self.hue))
        values = on_device(drawn, images.device).to(images.dtype)[..., None, None, None]
        for index in self.order:
            images = changes[index](images, values[index])
        return images


Change = Callable[[Tensor, Tensor], Tensor]
"""(images [n, 3, h, w] in [0, 1], values [n, 1, 1, 1]) -> images."""


def brighten(images: Tensor, factor: Tensor) -> Tensor:
    """Add factor - 1."""
    return (images + (factor - 1)).clamp(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply by the factor."""
    return (images * factor).clamp(0, 1)


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply HSV's saturation, which stays at most 1; hue and value remain."""
    value, chroma = _value_and_chroma(images)
    # S = chroma / value, and with hue and value kept, value - rgb grows as S does.
    most = value / chroma.clamp(min=torch.finfo(images.dtype).tiny)
    return (value - (value - images) * torch.minimum(factor.expand_as(most), most)).clamp(0, 1)


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn HSV's hue; saturation and value remain."""
    value, chroma = _value_and_chroma(images)
    red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
    safe = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    sixth = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    sixth = sixth + 6 * turns
    # rgb of a hue: value - chroma * clamp(min(k, 4 - k), 0, 1), k = (5, 3, 1) + hue in sixths.
    offsets = torch.arange(5, 0, -2, device=images.device, dtype=images.dtype)
    k = (offsets.view(1, 3, 1, 1) + sixth) % 6
    return (value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)).clamp(0, 1)


def _value_and_chroma(images: Tensor) -> tuple[Tensor, Tensor]:
    """The largest channel, and how far the smallest lies below: [n, 1, h, w] each."""
    value = images.amax(dim=1, keepdim=True)
    return value, value - images.amin(dim=1, keepdim=True)
