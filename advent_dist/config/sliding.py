"""Windows that an image is predicted in, where it is too large to be seen at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import Size, require, require_size

Average = Literal["logits", "probabilities"]
"""What the mean is taken of where windows overlap."""


@dataclass(frozen=True, kw_only=True)
class Sliding:
    """Overlapping windows over an image."""

    window: Size
    """Width and height of each in pixels."""

    stride: Size
    """How far the next one lies to the right, and below."""

    average: Average = "logits"
    """What the mean is taken of where they overlap."""


def sliding(
    window: Size | None,
    stride: Size | None,
    size: Size,
    average: Average = "logits",
    prefix: str = "data.evaluation_",
) -> Sliding | None:
    """The windows that are asked for; none for images that are seen as a whole.

    Args:
        window: width and height, or none.
        stride: half of the window where it is none.
        size: of the images.
        average: what the mean is taken of; without windows of nothing.
        prefix: of the two names in messages.

    Raises:
        ConfigError: a window is larger than the images, or leaves a gap to the next one.
    """
    if window is None:
        fix = f"there are no windows; give {prefix}window too"
        require(stride is None, f"{prefix}stride", stride, fix)
        return None
    require_size(f"{prefix}window", window)
    fits = window[0] <= size[0] and window[1] <= size[1]
    fix = f"larger than the images, which are {size[0]}x{size[1]} (data.evaluation_size)"
    require(fits, f"{prefix}window", window, fix)
    if stride is None:
        stride = (max(1, window[0] // 2), max(1, window[1] // 2))
    require_size(f"{prefix}stride", stride)
    touches = stride[0] <= window[0] and stride[1] <= window[1]
    fix = f"larger than the window {window}, so that pixels between windows would be in none"
    require(touches, f"{prefix}stride", stride, fix)
    return Sliding(window=window, stride=stride, average=average)
