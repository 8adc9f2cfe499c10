"""How many pixels an image may have: said by its header, so that it is refused before decoding."""

from __future__ import annotations

MAX_PIXELS = 178_956_970
"""Width times height of the largest image that is decoded: 0.5 GB of RGB. Pillow refuses more."""


def oversize(width: int, height: int) -> str | None:
    """Why an image of that size is not decoded, if it is not."""
    if width * height <= MAX_PIXELS:
        return None
    return f"it has {width}x{height} pixels, but at most {MAX_PIXELS:,} are decoded"
