"""One sample inside a shard: `KEY.image.EXT` and, where it is labelled, `KEY.label.png`.

Encoding is Pillow's; decoding is torchvision's, whose pixels are equal and which is faster (1914x1052
JPEG: 10 ms for 17 ms, PNG: 40 for 47).
"""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode
from torchvision.io import decode_image as decode_any_image

from advent_dist.data.classes import ClassSet
from advent_dist.errors import DataError
from advent_dist.types import IGNORE_INDEX

IMAGE_PREFIX = "image."
LABEL = "label.png"

ImageFormat = Literal["jpg", "png", "webp"]
_PILLOW_NAMES: dict[ImageFormat, str] = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}


def encode_image(
    image: npt.NDArray[np.uint8], image_format: ImageFormat, quality: int = 95
) -> bytes:
    """The bytes of an image file.

    Args:
        image: uint8 [h, w, 3], RGB.
        image_format: the extension after `KEY.image.`.
        quality: 0..100 of the lossy formats; PNG has none.
    """
    file = io.BytesIO()
    options = {} if image_format == "png" else {"quality": quality}
    Image.fromarray(image).save(file, _PILLOW_NAMES[image_format], **options)
    return file.getvalue()


def encode_label(label: npt.NDArray[np.uint8]) -> bytes:
    """The bytes of an 8-bit grey PNG that holds train ids.

    Args:
        label: uint8 [h, w], train ids or 255.
    """
    file = io.BytesIO()
    Image.fromarray(label).save(file, "PNG")
    return file.getvalue()


def decode_image(data: bytes, where: str) -> UInt8[Tensor, "3 h w"]:
    """Pixels of a JPEG, PNG or WebP file as uint8 RGB; grey becomes RGB, alpha is dropped.

    Raises:
        DataError: not such a file, or damaged; `where` names the sample.
    """
    return _decode(data, ImageReadMode.RGB, f"{where}: its image")


def decode_label(data: bytes, where: str) -> UInt8[Tensor, "h w"]:
    """Train ids of a label file.

    Raises:
        DataError: not an 8-bit grey PNG, or damaged; `where` names the sample.
    """
    label = _decode(data, ImageReadMode.UNCHANGED, f"{where}: its label")
    if len(label) != 1:
        raise DataError(
            f"{where}: its label has {len(label)} channels; write train ids as an 8-bit grey PNG"
        )
    return label[0]


def _decode(data: bytes, mode: ImageReadMode, what: str) -> Tensor:
    try:
        # A bytearray, since a tensor over read-only bytes makes torch warn.
        pixels: Tensor = decode_any_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{what} can't be decoded ({reason}); build the shard again") from error
    if pixels.dtype != torch.uint8:
        raise DataError(f"{what} has {pixels.dtype} pixels; write 8 bits a channel")
    return pixels


def check_label(
    label: UInt8[Tensor, "h w"], image: UInt8[Tensor, "3 i j"], classes: ClassSet, where: str
) -> None:
    """Refuse a label that does not fit its image or the class set.

    Raises:
        DataError: sizes differ, or a value is neither a train id nor 255; `where` names the sample.
    """
    if label.shape != image.shape[1:]:
        (height, width), (rows, columns) = label.shape, image.shape[1:]
        raise DataError(
            f"{where}: its label is {width}x{height}, but its image is {columns}x{rows} (width x "
            f"height); build the shards again from pairs of one size"
        )
    wrong = label[(label >= classes.num_classes) & (label != IGNORE_INDEX)]
    if len(wrong):
        raise DataError(
            f"{where}: its label holds the value {int(wrong[0])}, but {classes.name} has the train "
            f"ids 0..{classes.num_classes - 1} and 255 (ignore); map the raw ids to train ids when "
            f"building the shards, or correct data.classes"
        )
