"""Random changes that move an image and its label together: a label map, or boxes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional as colour

from advent_dist.config import AugmentConfig, Size
from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.box_geometry import cut_boxes, mirror_boxes, resize_boxes
from advent_dist.data.resizing import resize_image, resize_label
from advent_dist.data.view import choose_view, see
from advent_dist.types import IGNORE_INDEX

Label: TypeAlias = UInt8[Tensor, "_ _"] | BoxArrays
"""What is known of an image: its label map, or its boxes in its pixels."""

_MORE_CROPS = 10
"""How often another part of an image is cut out."""


def augment(
    image: UInt8[Tensor, "3 h w"],
    label: Label | None,
    size: Size,
    config: AugmentConfig,
    rng: np.random.Generator,
    wanted: int | None = None,
) -> tuple[UInt8[Tensor, "3 i j"], Label | None]:
    """A training image at its size, with the random changes of the config.

    Args:
        image: uint8 [3, h, w], as decoded.
        label: uint8 [h, w], or boxes; None in a domain without labels.
        size: width, height that it is resized to, before `config.scale` and `config.crop`.
        config: what may change, and how much.
        rng: the sample's own generator.
        wanted: the class that the sample was drawn for, if it was; see `config.crop_min_pixels`.

    Returns:
        Image and label of the size `config.crop` if given (an image smaller than that is padded
        with 0, its label map with 255), else of the scaled size.
    """
    # Always the same number of draws, so that one knob does not change what another one draws.
    scale, left, top, flip, *jitter = rng.random(8).tolist()
    low, high = config.scale
    factor = low + (high - low) * scale
    scaled = (max(round(size[0] * factor), 1), max(round(size[1] * factor), 1))
    boxes = label if isinstance(label, BoxArrays) else None

    def recolour(pixels: Tensor) -> Tensor:
        return _jitter(pixels, config.jitter, jitter) if config.jitter else pixels

    view = choose_view(size_of(image), boxes, config, rng)
    if view is not None:
        image, label = see(image, boxes, view, scaled, recolour)
    else:
        label = _resize(label, size_of(image), scaled)
        image = resize_image(image, scaled)
    if config.crop is not None:
        if isinstance(label, Tensor):
            left, top = _place(label, config, left, top, rng, wanted)
        label = _crop_label(label, scaled, config.crop, left, top)
        image = _crop(image, config.crop, left, top, fill=0)
    if flip < config.flip:
        label = _mirror(label, size_of(image))
        image = image.flip(-1)
    return recolour(image) if view is None else image, label


def size_of(image: Tensor) -> Size:
    """Width, height in pixels of [..., h, w]."""
    height, width = image.shape[-2:]
    return width, height


def _resize(label: Label | None, before: Size, after: Size) -> Label | None:
    if isinstance(label, BoxArrays):
        return resize_boxes(label, before, after)
    return None if label is None else resize_label(label, after)


def _crop_label(
    label: Label | None, before: Size, crop: Size, left: float, top: float
) -> Label | None:
    if isinstance(label, BoxArrays):
        return cut_boxes(label, *_corner(before, crop, left, top), crop)
    return None if label is None else _crop(label, crop, left, top, fill=IGNORE_INDEX)


def _mirror(label: Label | None, size: Size) -> Label | None:
    if isinstance(label, BoxArrays):
        return mirror_boxes(label, size[0])
    return None if label is None else label.flip(-1)


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
    """Cut out width x height; padding comes right and below."""
    (width, height), (columns, rows) = crop, size_of(pixels)
    padding = (0, max(width - columns, 0), 0, max(height - rows, 0))
    if any(padding):
        pixels = F.pad(pixels, padding, value=fill)
    x, y = _corner((columns, rows), crop, left, top)
    return pixels[..., y : y + height, x : x + width]


def _corner(size: Size, crop: Size, left: float, top: float) -> tuple[int, int]:
    """Column and row at which a part of an image begins; `left`, `top` in [0, 1) place it."""
    x, y = (
        int(place * (max(there - wanted, 0) + 1))
        for place, there, wanted in zip((left, top), size, crop, strict=True)
    )
    return x, y


def _jitter(image: Tensor, strength: float, draws: list[float]) -> Tensor:
    brightness, contrast, saturation, hue = (strength * (2 * draw - 1) for draw in draws)
    image = colour.adjust_brightness(image, 1 + brightness)
    image = colour.adjust_contrast(image, 1 + contrast)
    image = colour.adjust_saturation(image, 1 + saturation)
    result: Tensor = colour.adjust_hue(image, hue / 4)
    return result
