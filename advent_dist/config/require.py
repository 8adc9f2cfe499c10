"""Refusals that name the field, its value and what to do."""

from __future__ import annotations

import re

from advent_dist.errors import ConfigError

_SECRET = re.compile(r"(?i)sig(nature)?=|token|secret|password|credential")
"""In the query of a presigned URL."""

_LONGEST_NAME = 200
"""Bytes of a folder's name: file systems take 255, and what is written beside it needs some."""

_NAMES = (
    f"give a name of at most {_LONGEST_NAME} bytes, or several with / between them, none of them "
    "empty, . or ..; where it lies is run.storage (--storage of a sweep)"
)

Size = tuple[int, int]
"""Width and height in pixels, in this order."""

MOST_PIXELS = 65_535
"""A side: no JPEG has more."""


def require(holds: bool, name: str, value: object, fix: str) -> None:
    """Refuse `value` of field `name` unless it holds.

    Raises:
        ConfigError: it does not hold; with the fix.
    """
    if not holds:
        raise ConfigError(f"{name} = {value!r}: {fix}")


def require_no_secret(name: str, url: str) -> None:
    """Refuse a URL with credentials in it, without repeating them.

    Raises:
        ConfigError: there are some.
    """
    address, _, query = url.partition("?")
    host = address.split("://", 1)[1].split("/")[0] if "://" in address else ""
    hidden = "***@" + host.rsplit("@", 1)[-1]
    require("@" not in host, name, hidden, "credentials belong into AWS_* variables, not a URL")
    fix = "a signature or token is a secret, and is not for folders; give the bucket and its prefix"
    require(_SECRET.search(query) is None, name, f"{address}?***", fix)


def require_inside(name: str, value: str | None) -> None:
    """Refuse a name of a folder that would lie elsewhere than inside the storage.

    Raises:
        ConfigError: it is empty, absolute or a URL, or a part of it is `.`, `..`, too long or has
            characters that can't be printed.
    """
    require(value is None or is_inside(value), name, value, _NAMES)


def is_inside(name: str) -> bool:
    """Whether a path is relative and stays inside of the folder that it is relative to."""
    parts = name.split("/")
    plain = not {"", ".", ".."} & set(parts) and name.isprintable() and "\\" not in name
    return plain and all(len(part.encode()) <= _LONGEST_NAME for part in parts)


def require_size(name: str, size: Size | None) -> None:
    """Refuse a size without a pixel, or of more than any image has.

    Raises:
        ConfigError: it is no two numbers, or width or height is not positive, or more than
            `MOST_PIXELS`.
    """
    if size is not None:  # in a user's file it may be anything
        is_pair = isinstance(size, (tuple, list)) and len(size) == 2
        numbers = is_pair and all(type(side) is int for side in size)
        require(numbers, name, size, "give width and height in pixels, such as (640, 360)")
    require(size is None or min(size) > 0, name, size, "width and height must be positive")
    fix = f"give at most {MOST_PIXELS} pixels a side"
    require(size is None or max(size) <= MOST_PIXELS, name, size, fix)
