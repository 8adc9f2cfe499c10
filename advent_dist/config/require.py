"""Refusals that name the field, its value and what to do."""

from __future__ import annotations

import re

from advent_dist.errors import ConfigError

_SECRET = re.compile(r"(?i)sig(nature)?=|token|secret|password|credential")
"""In the query of a presigned URL."""

Size = tuple[int, int]
"""Width and height in pixels, in this order."""


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


def require_size(name: str, size: Size | None) -> None:
    """Refuse a size without a pixel.

    Raises:
        ConfigError: width or height is not positive.
    """
    require(size is None or min(size) > 0, name, size, "width and height must be positive")
