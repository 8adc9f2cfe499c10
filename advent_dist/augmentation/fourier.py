"""Fourier domain adaptation: source images with the low frequencies of target images (FDA).

Source: Yang and Soatto, arXiv 2004.05498, section 2.1.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from advent_dist.augmentation.draws import on_device
from advent_dist.types import PairedImages

Batch = TypeVar("Batch", bound=PairedImages)


def in_target_style(batch: Batch, beta: float) -> Batch:
    """The batch with each source image in the style of one of its target images, drawn at random.

    PyTorch's generator of the CPU draws. Nothing waits for the device.

    Args:
        batch: both domains of one size.
        beta: see `with_low_amplitudes`.

    Returns:
        The source images are float32; they may leave 0..255, as published.
    """
    choice = torch.randint(len(batch.target_image), (len(batch.source_image),))
    styles = batch.target_image[on_device(choice, batch.target_image.device)]
    return replace(batch, source_image=with_low_amplitudes(batch.source_image, styles, beta))


def with_low_amplitudes(
    images: Shaped[Tensor, "n c h w"], styles: Shaped[Tensor, "n c h w"], beta: float
) -> Float[Tensor, "n c h w"]:
    """Images with the amplitudes of others up to a frequency, and with their own phase (eq. 3).

    Frequencies -b..b of both axes are changed, b = floor(beta * min(h, w)): a window that is
    symmetric, without which the result would not be real. With b = 0 it is the mean alone.

    Args:
        images: in 0..255, uint8 or any float.
        styles: whose amplitudes are taken.
        beta: share of the shorter side, in [0, 0.5].

    Returns:
        float32, not clipped.
    """
    height, width = images.shape[2:]
    reach = math.floor(beta * min(height, width))
    # Of a real image the columns of negative frequency mirror the others, and are left out.
    spectrum = torch.fft.rfft2(images.float())
    other = torch.fft.rfft2(styles.float())
    for rows in (slice(0, reach + 1), slice(max(height - reach, reach + 1), height)):
        window = (..., rows, slice(0, reach + 1))
        spectrum[window] = torch.polar(other[window].abs(), spectrum[window].angle())
    changed: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return changed
