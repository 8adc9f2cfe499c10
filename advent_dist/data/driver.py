"""Any storage that fsspec has a driver for, with the limits and errors that s3:// has here.

Drivers differ in what they raise, and few end a request that is never answered.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable
from concurrent import futures
from inspect import iscoroutinefunction
from typing import Any

from fsspec.asyn import AsyncFileSystem, sync

_BYTES_PER_S = 1e6
"""At which data is sent at least: uploads of any size have to be possible."""

_MISTAKES = (TypeError, AttributeError, NameError, AssertionError)
"""Of programs, not of storage."""


class Bounded:
    """A file system whose calls, all together, end by a time, and raise errors of storage.

    Args:
        files: The fsspec file system.
        timeout_s: Seconds from now on, and one more for each MB that is sent.
    """

    def __init__(self, files: Any, timeout_s: float) -> None:
        self._files = files
        self._end = time.monotonic() + timeout_s

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._files, name)
        if name.startswith("_") or not callable(found):
            return found

        def bounded(*arguments: Any, **options: Any) -> Any:
            left = max(self._end - time.monotonic(), 0.001) + _sending_s(name, arguments)
            try:
                coroutine = getattr(self._files, f"_{name}", None)
                if isinstance(self._files, AsyncFileSystem) and iscoroutinefunction(coroutine):
                    return sync(self._files.loop, coroutine, *arguments, timeout=left, **options)
                return _beside(lambda: found(*arguments, **options), left)
            except Exception as error:
                storage = as_storage_error(error)
                if storage is error:
                    raise
                raise storage from error

        return bounded


def _sending_s(name: str, arguments: tuple[Any, ...]) -> float:
    """Seconds that the data of a call may take."""
    if name == "pipe_file":
        return len(arguments[1]) / _BYTES_PER_S
    return os.path.getsize(arguments[0]) / _BYTES_PER_S if name == "put_file" else 0.0


def _beside(call: Callable[[], Any], within_s: float) -> Any:
    """What a call gives, made in a thread of its own: a blocking one can be left, not ended."""
    answer: futures.Future[Any] = futures.Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    # A daemon, so that a process can end without the answer.
    threading.Thread(target=run, daemon=True).start()
    return answer.result(within_s)


def as_storage_error(error: Exception) -> Exception:
    """A driver's error as one of the operating system's kinds, which say what may be done."""
    if isinstance(error, (futures.TimeoutError, asyncio.TimeoutError)):
        return TimeoutError("no answer in time")
    status = _status(error)
    if isinstance(error, _MISTAKES) or (isinstance(error, OSError) and status is None):
        return error
    kind = type(error).__name__
    if status in (401, 403):
        return PermissionError(errno.EACCES, kind)
    if status == 404:
        return FileNotFoundError(errno.ENOENT, kind)
    if isinstance(error, NotImplementedError) or status in (405, 501):
        return OSError(errno.ENOSYS, kind)
    final = isinstance(error, ValueError) if status is None else status in range(400, 500)
    later = status in (408, 425, 429)
    return OSError(errno.EINVAL if final and not later else errno.EIO, kind)


def _status(error: Exception) -> int | None:
    """The status of HTTP behind an error, by the names that drivers' errors give it."""
    for name in ("status", "status_code", "code"):
        value = str(getattr(error, name, None) or "")
        if value.isdecimal():
            return int(value)
    return None
