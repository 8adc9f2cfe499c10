"""How many pixels an image may have: said by its header, so that it is refused before decoding."""

from __future__ import annotations

MAX_PIXELS = 178_956_970
"""Width times height of the largest image that is decoded: 0.5 GB of RGB. Pillow refuses more."""


def oversize(width: int, height: int, most: int = MAX_PIXELS) -> str | None:
    """Why an image of that size is not decoded, if it is not.

    Args:
        width: in pixels.
        height: in pixels.
        most: pixels of an image.
    """
    if width * height <= most:
        return None
    return f"it has {width}x{height} pixels, but at most {most:,} are decoded"
