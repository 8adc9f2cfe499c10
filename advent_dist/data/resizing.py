"""Resizing images and label maps.

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

from advent_dist.config import Size


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
