"""Masks of square blocks (MIC, arXiv 2212.01322, section 3.2)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def grid(height: int, width: int, block: int) -> tuple[int, int]:
    """Rows and columns of blocks; Python's rounding, half to even, as published.

    Args:
        height: of an image, in pixels.
        width: of an image, in pixels.
        block: side of a block, in pixels.
    """
    return max(1, round(height / block)), max(1, round(width / block))


def kept(
    draws: Float[Tensor, "n rows columns"], ratio: float, height: int, width: int
) -> Bool[Tensor, "n 1 h w"]:
    """The pixels that a network may see.

    Args:
        draws: uniform in [0, 1), one a block of `grid`.
        ratio: share of the blocks that are hidden, on average.
        height: of the images.
        width: of the images.
    """
    visible = (draws > ratio).float()[:, None]
    return F.interpolate(visible, size=(height, width), mode="nearest").bool()
