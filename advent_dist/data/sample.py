"""One sample inside a shard: `KEY.image.EXT` and, where it is labelled, `KEY.label.png`.

simplejpeg decodes JPEG, faster than Pillow and to the same pixels; Pillow does all else.
`benchmarks/decode.py` measures both, and others.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal

import numpy as np
import numpy.typing as npt
import simplejpeg
import torch
from jaxtyping import UInt8
from PIL import Image
from PIL.PngImagePlugin import putchunk
from torch import Tensor

from advent_dist.data.classes import ClassSet
from advent_dist.data.pixel_limit import oversize
from advent_dist.errors import DamageError, DataError
from advent_dist.types import IGNORE_INDEX

IMAGE_PREFIX = "image."
LABEL = "label.png"

PNG_DEPTH = 24
"""Place of the byte of a PNG that says how many bits a sample has."""

Encoded = bytes | memoryview
ImageFormat = Literal["jpg", "jpeg", "png", "webp"]
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FORMATS = ("JPEG", "PNG", "WEBP")
_PILLOW_NAMES: dict[ImageFormat, str] = {
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
}


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

    Pillow chooses each row's filter by a rule for photographs, and undoing filters is most of what
    decoding costs. Labels have no need of filters, and zlib's level 3 is the fastest to decode.

    Args:
        label: uint8 [h, w], train ids or 255.
    """
    height, width = label.shape
    rows = np.zeros((height, 1 + width), np.uint8)  # a row begins with the number of its filter
    rows[:, 1:] = label
    file = io.BytesIO()
    file.write(_PNG_SIGNATURE)
    putchunk(file, b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    putchunk(file, b"IDAT", zlib.compress(rows.tobytes(), 3))
    putchunk(file, b"IEND", b"")
    return file.getvalue()


def decode_image(
    data: Encoded, where: str, out: UInt8[Tensor, "i j 3"] | None = None
) -> UInt8[Tensor, "3 h w"]:
    """Pixels of a JPEG, PNG or WebP file as uint8 RGB; grey becomes RGB, alpha is dropped.

    Args:
        data: the file.
        where: names the sample in messages.
        out: memory for the pixels, used if the image has just that size.

    Returns:
        A view with the channels last in memory, which resizing is faster on; of `out` if it fits.

    Raises:
        DamageError: not such a file, damaged, of too many pixels or for too little memory.
        DataError: more than 8 bits a channel.
    """
    what = f"{where}: its image"
    try:
        if data[: len(_JPEG_SIGNATURE)] == _JPEG_SIGNATURE:
            pixels = _decode_jpeg(data, out)
            if pixels is not None:
                return pixels.permute(2, 0, 1)
        image = as_rgb(_open(data), what)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)
    except DataError:
        raise
    except Exception as error:
        raise _undecodable(what, error) from error


def as_rgb(image: Image.Image, what: str) -> Image.Image:
    """An image of any mode as 8-bit RGB; grey becomes RGB, alpha is dropped.

    Raises:
        DataError: more than 8 bits a channel, which Pillow would cut off at 255; `what` has them.
    """
    if image.mode.startswith(("I", "F")):
        raise DataError(f"{what} has the mode {image.mode}; write 8 bits a channel")
    if "transparency" in image.info:  # of which Pillow drops some kinds with a warning
        image = image.convert("RGBA")
    return image.convert("RGB")


def decode_label(data: Encoded, where: str) -> UInt8[Tensor, "h w"]:
    """Train ids of a label file.

    Raises:
        DamageError: not an image, damaged, of too many pixels or for too little memory; `where`
            names the sample.
        DataError: not of one 8-bit channel.
    """
    what = f"{where}: its label"
    try:
        label = _open(data)
        if label.mode not in ("L", "P"):
            raise DataError(
                f"{what} has the mode {label.mode}; write train ids as an 8-bit grey PNG"
            )
        if label.mode == "L" and label.format == "PNG" and data[PNG_DEPTH] != 8:
            raise DataError(
                f"{what} has {data[PNG_DEPTH]} bits a pixel; write train ids as an 8-bit grey PNG"
            )
        return torch.from_numpy(np.array(label))
    except DataError:
        raise
    except Exception as error:
        raise _undecodable(what, error) from error


def _decode_jpeg(data: Encoded, out: Tensor | None) -> Tensor | None:
    """uint8 [h, w, 3]; None for one in CMYK, whose colours simplejpeg would get wrong."""
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    _require_size(width, height)
    if colours in ("CMYK", "YCCK"):
        return None
    if out is None or out.shape[:2] != (height, width):
        return torch.from_numpy(simplejpeg.decode_jpeg(data))
    # Memory that was written before takes half the time of fresh memory.
    simplejpeg.decode_jpeg(data, buffer=out.numpy())
    return out


def _open(data: Encoded) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=_FORMATS)
    _require_size(image.width, image.height)
    image.load()
    return image


def _require_size(width: int, height: int) -> None:
    """Refuse, before it is decoded, what a few bytes may make of all memory."""
    fault = oversize(width, height)
    if fault is not None:
        raise ValueError(fault)


def _undecodable(what: str, error: Exception) -> DamageError:
    """The damage that an error of a decoder is: they raise nearly anything, MemoryError too."""
    said = str(error) or type(error).__name__
    return DamageError(f"{what} can't be decoded ({said}); build the shard again")


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
    # One more in 8 bits: 255 becomes 0, so that one maximum tells whether there is a wrong value.
    if int(np.max(label.numpy() + np.uint8(1))) > classes.num_classes:
        wrong = label[(label >= classes.num_classes) & (label != IGNORE_INDEX)]
        raise DataError(
            f"{where}: its label holds the value {int(wrong[0])}, but {classes.name} has the train "
            f"ids 0..{classes.num_classes - 1} and 255 (ignore); map the raw ids to train ids when "
            f"building the shards, or correct data.classes"
        )
