"""The values in label files as people have them: ids or colours, in a picture or an array."""

from __future__ import annotations

import io

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from advent_dist.data.image import check_size, read_as_stored
from advent_dist.data.label_map import MAX_ID, LabelArray, LabelMap, colour_code
from advent_dist.data.sample import PNG_DEPTH, Encoded, decode_label
from advent_dist.errors import DataError

ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".gif", ".npy")
"""File endings of labels, in lower case. JPEG and WebP change values."""

_FORMATS = ("PNG", "TIFF", "BMP", "GIF")
_ARRAY = b"\x93NUMPY"
_PNG = b"\x89PNG\r\n\x1a\n"

_GREY_STEP = {2: 85, 4: 17}
"""Bits -> what Pillow multiplies grey samples by, so that the highest becomes 255."""

_BITS_TAG, _PHOTOMETRIC_TAG, _WHITE_IS_ZERO = 258, 262, 0
"""Of TIFF."""


def read_values(data: bytes, where: str, *, colours: bool) -> LabelArray:
    """What a label holds.

    Args:
        data: The file.
        where: Names it in messages.
        colours: Whether to read RGB colours; else ids.

    Returns:
        uint8 or uint16 [h, w], the ids: samples of a grey picture, indices of a palette, or an
        array's numbers. Or uint32 [h, w], the colours as 0xRRGGBB. Turned as EXIF says.

    Raises:
        DataError: it can't be read, or holds the other of the two.
    """
    if data.startswith(_ARRAY):
        return _of_array(data, where, colours=colours)
    if data.startswith(b"\xff\xd8\xff"):
        raise DataError(
            f"{where}: a JPEG is no label, since its compression changes values; give the label as "
            "it was before, such as a PNG"
        )
    image = read_as_stored(io.BytesIO(data), where, _FORMATS)
    if colours:
        return _colours(image, data, where)
    return picture_ids(image, data, where)


def decode_train_ids(data: Encoded, where: str, label_map: LabelMap | None) -> UInt8[Tensor, "h w"]:
    """Train ids of a label file that holds them, or that holds what a map is of.

    Raises:
        DamageError: it holds train ids and is not an image, or damaged.
        DataError: not of one 8-bit channel; or with a map, whatever is wrong with it.
    """
    if label_map is None:
        return decode_label(data, where)
    what = f"{where}: its label"
    values = read_values(bytes(data), what, colours=label_map.colours)
    return torch.from_numpy(label_map.apply(values, what))


def holds_colours(data: bytes, where: str) -> bool:
    """Whether a label is a picture in colours, and not of ids.

    Raises:
        DataError: it can't be read.
    """
    if data.startswith(_ARRAY):
        return _array(data, where).shape[2:] not in ((), (1,))
    return read_as_stored(io.BytesIO(data), where, _FORMATS).mode.startswith("RGB")


def picture_ids(image: Image.Image, data: bytes, where: str) -> LabelArray:
    """The ids in a picture: uint8 or uint16 [h, w].

    Args:
        image: As Pillow decodes it.
        data: The file, or the beginning of it.
        where: Names it in messages.

    Raises:
        DataError: it is in colours, or in numbers that are no ids.
    """
    if image.mode.startswith("RGB"):
        raise DataError(
            f"{where}: it holds colours, but the class file has ids; give each class its colours"
        )
    if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
        raise DataError(
            f"{where}: a {image.mode} image is no label; give a picture with one id a pixel"
        )
    values = np.asarray(image)
    if image.mode == "1":
        return values.astype(np.uint8)
    if image.mode == "P":
        return np.asarray(image, np.uint8)
    bits = data[PNG_DEPTH] if data.startswith(_PNG) else _tiff_tag(image, _BITS_TAG)
    if _tiff_tag(image, _PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        raise DataError(
            f"{where}: its TIFF calls white 0, so that Pillow inverts the ids; write black as 0"
        )
    if image.mode == "L":
        ids: LabelArray = np.floor_divide(values, _GREY_STEP.get(bits, 1), dtype=np.uint8)
        return ids
    return _as_ids(values, where)


def _tiff_tag(image: Image.Image, tag: int) -> int:
    value = getattr(image, "tag_v2", {}).get(tag, -1)
    return int(value[0] if isinstance(value, tuple) else value)


def _colours(image: Image.Image, data: bytes, where: str) -> LabelArray:
    if image.mode == "P":
        image = image.convert("RGB")
    if not image.mode.startswith("RGB"):
        raise DataError(
            f"{where}: it holds ids ({image.mode}), but the class file has colours; give each "
            "class its ids"
        )
    if data.startswith(_PNG) and data[PNG_DEPTH] > 8:
        raise DataError(
            f"{where}: it has {data[PNG_DEPTH]} bits a channel, of which colours have 8; convert it"
        )
    return colour_code(np.asarray(image.convert("RGB")))


def _of_array(data: bytes, where: str, *, colours: bool) -> LabelArray:
    array = _array(data, where)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if colours and (array.ndim != 3 or array.shape[2] not in (3, 4) or array.dtype != np.uint8):
        raise DataError(
            f"{where}: it is {array.dtype} {list(array.shape)}, but colours are uint8 [h, w, 3]; "
            "convert it, or give ids in the class file"
        )
    if colours:
        return colour_code(array[..., :3].astype(np.uint8))
    if array.ndim != 2 or array.dtype.kind not in "uib":
        raise DataError(
            f"{where}: it is {array.dtype} {list(array.shape)}, but ids are whole numbers [h, w]; "
            "convert it"
        )
    return _as_ids(array, where)


def _array(data: bytes, where: str) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # headers can be damaged in many ways
        raise DataError(f"{where}: it can't be read ({error}); copy it again") from error
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DataError(f"{where}: it is {list(array.shape)}; give an array [h, w] of ids")
    check_size(array.shape[1], array.shape[0], where)
    return array  # type: ignore[no-any-return]


def _as_ids(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]], where: str) -> LabelArray:
    numbers = values.astype(np.int64)
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high > MAX_ID:
        wrong = low if low < 0 else high
        raise DataError(f"{where}: it holds the value {wrong}, but ids are 0..{MAX_ID}")
    return numbers.astype(np.uint8 if high < 256 else np.uint16)
