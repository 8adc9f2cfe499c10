"""The strong augmentation of self-training: by chance colours, by chance blur."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from advent_dist.augmentation.blur import blur
from advent_dist.augmentation.colour import Jitter

_SIGMA = (0.15, 1.15)
"""Standard deviation of the blur in pixels, drawn from here."""


@dataclass(frozen=True, kw_only=True)
class StrongAugmentation:
    """Each coin is thrown once a batch, as published; each image has its own colours.

    Source: DACS (arXiv 2007.08702), section 4, and its code.
    """

    jitter: float
    """Strength of the change of colours; see `Jitter.draw`."""

    jitter_probability: float
    """Of changing them."""

    blur_probability: float
    """Of a blur."""

    def __call__(self, images: Shaped[Tensor, "n 3 h w"]) -> Shaped[Tensor, "n 3 h w"]:
        """The images changed, or the same where both coins say so.

        Args:
            images: RGB in 0..255, uint8 or any float.

        Returns:
            RGB in 0..255, float32 where they were uint8.
        """
        # Always the same number of draws, so that one knob does not change what another one draws.
        jitters, blurs, spread = torch.rand(3).tolist()
        jitter = Jitter.draw(len(images), self.jitter)
        if jitters >= self.jitter_probability and blurs >= self.blur_probability:
            return images
        unit = _as_float(images) / 255
        if jitters < self.jitter_probability:
            unit = jitter(unit)
        if blurs < self.blur_probability:
            low, high = _SIGMA
            unit = blur(unit, low + (high - low) * spread)
        return unit * 255


def _as_float(images: Tensor) -> Float[Tensor, "n 3 h w"]:
    return images if images.is_floating_point() else images.float()
