"""JSON that may have been written, or damaged, by anybody."""

from __future__ import annotations

import json
from typing import Any

from advent_dist.errors import DataError


def json_object(
    text: bytes | str, where: str, fix: str = "restore the file or run again"
) -> dict[str, Any]:
    """The object of names and values that a JSON text holds.

    Args:
        text: The file's content.
        where: What messages call it.
        fix: What they advise.

    Raises:
        DataError: it is no JSON, or no object.
    """
    try:
        value = json.loads(text)
    # The last one: brackets within brackets, thousands deep.
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({error}); {fix}") from error
    if not isinstance(value, dict):
        raise DataError(
            f"{where} holds {type(value).__name__}, not an object of names and values; {fix}"
        )
    return value
