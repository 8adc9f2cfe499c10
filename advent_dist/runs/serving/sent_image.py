"""Images that strangers send: looked at before they are decoded, and refused in one line."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, UnidentifiedImageError

from advent_dist.data.image import read_image, upright_size
from advent_dist.errors import DataError, OversizeError
from advent_dist.runs.serving.answer import Answer, refusal

_WHERE = "the image that was sent"


def open_sent(data: bytes, most_pixels: int) -> Image.Image | Answer:
    """An image as it is meant to be looked at, RGB; or why it is none.

    Args:
        data: a file, of whatever its sender likes.
        most_pixels: of an image that is decoded; the header says how many it has.

    Returns:
        The image, or a refusal: 400 it is damaged or can't be RGB, 413 it has too many pixels, 415
        it is no image.
    """
    if not data:
        return refusal(400, f"{_WHERE} is empty; send its file as the body of the request")
    try:
        upright_size(BytesIO(data), _WHERE, most_pixels)
    except OversizeError as error:
        return refusal(413, str(error))
    except DataError as error:
        is_none = isinstance(error.__cause__, UnidentifiedImageError)
        return refusal(415 if is_none else 400, str(error))
    try:
        return read_image(BytesIO(data), _WHERE)
    except DataError as error:
        return refusal(400, str(error))
