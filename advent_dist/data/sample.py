"""One sample inside a shard: `KEY.image.EXT` and, where it is labelled, `KEY.label.png`.

Pillow does both directions. (torchvision decodes equal pixels somewhat faster, but its decoders are
deprecated.)
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
        DataError: not such a file, damaged, or of more than 8 bits; `where` names the sample.
    """
    image = _open(data, f"{where}: its image")
    if image.mode.startswith(("I", "F")):
        raise DataError(f"{where}: its image has the mode {image.mode}; write 8 bits a channel")
    # A view with the channels last in memory, which resizing is faster on.
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def decode_label(data: bytes, where: str) -> UInt8[Tensor, "h w"]:
    """Train ids of a label file.

    Raises:
        DataError: not an 8-bit PNG of one channel, or damaged; `where` names the sample.
    """
    label = _open(data, f"{where}: its label")
    if label.mode not in ("L", "P"):
        raise DataError(
            f"{where}: its label has the mode {label.mode}; write train ids as an 8-bit grey PNG"
        )
    return torch.from_numpy(np.array(label))


def _open(data: bytes, what: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    # Pillow raises SyntaxError for a broken PNG.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{what} can't be decoded ({error}); build the shard again") from error
    return image


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
