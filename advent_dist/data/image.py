"""Images that users bring, from whatever camera or program: the one way to open them.

Shards hold images that we wrote; `sample.py` decodes those.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from advent_dist.data.pixel_limit import MAX_PIXELS, oversize
from advent_dist.data.sample import as_rgb
from advent_dist.errors import DataError, OversizeError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""File endings of images, in lower case; `.JPG` is one, too. Others are left alone in folders."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "JPEG2000")
"""What is opened, whatever the ending: no format that Pillow hands to another program."""

_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the stored pixels upright."""

_SIDEWAYS = {_TO_UPRIGHT[orientation] for orientation in (5, 6, 7, 8)}
"""Those that make the width the height."""

_global = threading.Lock()


def is_image(path: Path) -> bool:
    """Whether a file's name ends as that of an image; macOS's `._*` files only look like images."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith("._")


def read_image(
    source: Path | IO[bytes], where: str, levels: tuple[int, int] | None = None
) -> Image.Image:
    """An image as it is meant to be looked at, RGB; grey becomes RGB, alpha is dropped.

    Args:
        source: the file, or its path.
        where: names it in messages.
        levels: what is black and what is white in grey of more than 8 bits; none refuses it.

    Raises:
        DataError: it is missing, damaged, of none of `FORMATS`, of more than `MAX_PIXELS`, or grey
            of more than 8 bits without `levels`.
    """
    image = read_as_stored(source, where)
    with _told(where, FORMATS):
        if levels is not None and image.mode.startswith(("I", "F")):
            image = _in_8_bits(image, levels)
        return as_rgb(image, f"{where}: it")


def _in_8_bits(image: Image.Image, levels: tuple[int, int]) -> Image.Image:
    low, high = levels
    share = (np.asarray(image, np.float32) - low) / (high - low)
    return Image.fromarray((255 * share.clip(0, 1)).round().astype(np.uint8))


def upright_size(
    source: IO[bytes], where: str, most: int = MAX_PIXELS
) -> tuple[tuple[int, int], bool]:
    """Width and height of an image as it is meant to be looked at, from its header alone.

    Args:
        source: the file.
        where: names it in messages.
        most: pixels that it may have.

    Returns:
        The size, and whether the stored pixels have to be turned or mirrored for it.

    Raises:
        OversizeError: it has more pixels.
        DataError: see `read_as_stored`.
    """
    with _told(where, FORMATS), _unlimited(), Image.open(source, formats=list(FORMATS)) as image:
        check_size(image.width, image.height, where, most)
        turn = _TO_UPRIGHT.get(_orientation(image))
        # Of a TIFF, Pillow says the size that it has when it is upright.
        lies = turn in _SIDEWAYS and image.format != "TIFF"
        return (image.size[::-1] if lies else image.size), turn is not None


def read_as_stored(
    source: Path | IO[bytes], where: str, formats: Sequence[str] = FORMATS
) -> Image.Image:
    """An image as it is meant to be looked at, in whatever mode its file has.

    Args:
        source: the file, or its path.
        where: names it in messages.
        formats: Pillow's names of the formats that it may have.

    Raises:
        DataError: it is missing, damaged, of none of `formats`, or of more than `MAX_PIXELS`.
    """
    with _told(where, formats), _unlimited(), Image.open(source, formats=list(formats)) as image:
        check_size(image.width, image.height, where)
        image.load()
        turn = _TO_UPRIGHT.get(_orientation(image))
        upright: Image.Image = image if turn is None else image.transpose(turn)
        return upright


def check_size(width: int, height: int, where: str, most: int = MAX_PIXELS) -> None:
    """Refuse an image before it is decoded.

    Raises:
        OversizeError: it has more than `most` pixels; `where` names it.
    """
    fault = oversize(width, height, most)
    if fault is not None:
        raise OversizeError(f"{where}: {fault}; make it smaller")


@contextmanager
def _unlimited() -> Iterator[None]:
    """Without Pillow's own limit, at which it warns or refuses without the size, and its warnings.

    Both are global, so that one thread at a time is in here.
    """
    with _global, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _orientation(image: Image.Image) -> Any:
    """How the camera was held: 1 to 8, or none."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # viewers, too, show an image with broken EXIF as one without
        return None


@contextmanager
def _told(where: str, formats: Sequence[str]) -> Iterator[None]:
    """Whatever a file makes Pillow raise, as one message."""
    try:
        yield
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(
            f"{where}: it can't be read as {', '.join(formats)}; convert it, or copy it again "
            "if it is damaged"
        ) from error
    except MemoryError as error:
        raise DataError(f"{where}: there is too little memory for it; make it smaller") from error
    except Exception as error:  # decoders raise nearly anything at a damaged file
        said = (isinstance(error, OSError) and error.strerror) or error
        raise DataError(f"{where}: it can't be read ({said}); copy it again") from error
