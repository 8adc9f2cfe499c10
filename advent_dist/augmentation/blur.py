"""Gaussian blur as DACS, DAFormer and MIC have it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_REACH = 6
"""In standard deviations; a pixel that lies further away weighs less than 2e-8."""


def blur(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """Each channel blurred, the border reflected.

    The published kernel is about a tenth of a side wide, 51 pixels of 512. Where that reaches
    further than six standard deviations, the rest is left out, which is 0 in float32.

    Args:
        images: any float.
        sigma: standard deviation in pixels.
    """
    for dim in (2, 3):
        radius = min(kernel_size(images.shape[dim]) // 2, math.ceil(_REACH * sigma))
        images = _blur_along(images, dim, radius, sigma)
    return images


def kernel_size(side: int) -> int:
    """Odd, about a tenth of a side of an image; in pixels."""
    tenth = math.ceil(0.1 * side)
    return math.floor(tenth - 0.5 + tenth % 2)


def _blur_along(images: Tensor, dim: int, radius: int, sigma: float) -> Tensor:
    if radius == 0:
        return images
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    padding = (0, 0, radius, radius) if dim == 2 else (radius, radius, 0, 0)
    padded = F.pad(images, padding, mode="reflect")
    n, c, *sides = padded.shape
    planes = padded.reshape(n * c, 1, *sides)
    shape = (1, 1, -1, 1) if dim == 2 else (1, 1, 1, -1)
    blurred = F.conv2d(planes, weights.view(shape))
    return blurred.reshape(images.shape)
