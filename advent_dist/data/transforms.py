"""Resizing, and random changes that move an image and its label together.

Tolerance: no value of a resized image differs by more than 2 of 255 from that of Pillow's bicubic
filter (which antialiases), and by less than 0.5 on average, even where all pixels are black or
white at random (tests/unit/data/test_transforms.py). Labels are resized by Pillow itself.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as colour

from advent_dist.config import AugmentConfig, Size
from advent_dist.types import IGNORE_INDEX

_MORE_CROPS = 10
"""How often another part of an image is cut out."""


def resize_image(image: UInt8[Tensor, "3 h w"], size: Size) -> UInt8[Tensor, "3 i j"]:
    """Bicubic with antialiasing: within 2 of 255 of Pillow's, in a fifth of its time.

    Args:
        image: uint8 [3, h, w].
        size: width, height of the result.
    """
    width, height = size
    if image.shape[1:] == (height, width):
        return image
    resized = F.interpolate(image[None], size=(height, width), mode="bicubic", antialias=True)
    return resized[0]


def resize_label(label: UInt8[Tensor, "h w"], size: Size) -> UInt8[Tensor, "i j"]:
    """Nearest pixel, by Pillow: torch decides ties otherwise (up to 17 % of the pixels).

    Args:
        label: uint8 [h, w].
        size: width, height of the result.
    """
    width, height = size
    if label.shape == (height, width):
        return label
    resized = Image.fromarray(label.numpy()).resize(size, Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(resized))


def augment(
    image: UInt8[Tensor, "3 h w"],
    label: UInt8[Tensor, "h w"] | None,
    size: Size,
    config: AugmentConfig,
    rng: np.random.Generator,
    wanted: int | None = None,
) -> tuple[UInt8[Tensor, "3 i j"], UInt8[Tensor, "i j"] | None]:
    """A training image at its size, with the random changes of the config.

    Args:
        image: uint8 [3, h, w], as decoded.
        label: uint8 [h, w], or None in a domain without labels.
        size: width, height that it is resized to, before `config.scale` and `config.crop`.
        config: what may change, and how much.
        rng: the sample's own generator.
        wanted: the class that the sample was drawn for, if it was; see `config.crop_min_pixels`.

    Returns:
        Image and label of the size `config.crop` if given (an image smaller than that is padded
        with 0, its label with 255), else of the scaled size.
    """
    # Always the same number of draws, so that one knob does not change what another one draws.
    scale, left, top, flip, *jitter = rng.random(8).tolist()
    low, high = config.scale
    factor = low + (high - low) * scale
    scaled = (max(round(size[0] * factor), 1), max(round(size[1] * factor), 1))
    image = resize_image(image, scaled)
    label = None if label is None else resize_label(label, scaled)
    if config.crop is not None:
        if label is not None:
            left, top = _place(label, config, left, top, rng, wanted)
        image = _crop(image, config.crop, left, top, fill=0)
        label = None if label is None else _crop(label, config.crop, left, top, fill=IGNORE_INDEX)
    if flip < config.flip:
        image = image.flip(-1)
        label = None if label is None else label.flip(-1)
    if config.jitter:
        image = _jitter(image, config.jitter, jitter)
    return image, label


def _place(
    label: Tensor,
    config: AugmentConfig,
    left: float,
    top: float,
    rng: np.random.Generator,
    wanted: int | None,
) -> tuple[float, float]:
    """Where to cut: at `left`, `top`, or somewhere else if the crop lacks what is asked for.

    The last one that is tried is taken as it is, as published (DAFormer).
    """
    assert config.crop is not None
    least = 0 if wanted is None else config.crop_min_pixels
    if config.crop_max_share == 1 and not least:
        return left, top
    for _ in range(_MORE_CROPS):
        values = _crop(label, config.crop, left, top, fill=IGNORE_INDEX).flatten()
        counts = torch.bincount(values.long(), minlength=IGNORE_INDEX + 1)[:IGNORE_INDEX]
        mixed = config.crop_max_share == 1 or (
            int((counts > 0).sum()) > 1
            and int(counts.max()) < config.crop_max_share * int(counts.sum())
        )
        if mixed and (wanted is None or int(counts[wanted]) > least or not least):
            break
        left, top = rng.random(2).tolist()
    return left, top


def _crop(pixels: Tensor, crop: Size, left: float, top: float, fill: int) -> Tensor:
    """Cut out width x height; `left`, `top` in [0, 1) place it. Padding comes right and below."""
    width, height = crop
    rows, columns = pixels.shape[-2:]
    padding = (0, max(width - columns, 0), 0, max(height - rows, 0))
    if any(padding):
        pixels = F.pad(pixels, padding, value=fill)
    y = int(top * (max(rows - height, 0) + 1))
    x = int(left * (max(columns - width, 0) + 1))
    return pixels[..., y : y + height, x : x + width]


def _jitter(image: Tensor, strength: float, draws: list[float]) -> Tensor:
    brightness, contrast, saturation, hue = (strength * (2 * draw - 1) for draw in draws)
    image = colour.adjust_brightness(image, 1 + brightness)
    image = colour.adjust_contrast(image, 1 + contrast)
    image = colour.adjust_saturation(image, 1 + saturation)
    result: Tensor = colour.adjust_hue(image, hue / 4)
    return result
