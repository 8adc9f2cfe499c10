"""Requests of an S3 client that end in time, whatever the server does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent import futures
from typing import Any, TypeVar

T = TypeVar("T")

_GRACE_S = 5.0


def bounded(files: Any, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result of `work`, which runs in the event loop of an S3 file system.

    The client's own limits are those of silence while it reads: a server that takes nothing of what
    is sent to it would be waited for without end.

    Args:
        files: An s3fs file system.
        work: What to do.
        seconds: How long it may take.

    Raises:
        asyncio.TimeoutError: the time was up.
    """
    running = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), files.loop)
    try:
        # The first limit ends the request; this one holds even if the loop itself is stuck.
        return running.result(seconds + _GRACE_S)
    except futures.TimeoutError as error:
        running.cancel()
        raise asyncio.TimeoutError from error


def is_s3(files: Any) -> bool:
    """Whether a fsspec file system is that of S3."""
    return "s3" in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)
