"""Threads and processes that generators have work done by."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar

E = TypeVar("E", bound=Executor)

_collecting: int | None = None
"""The thread that collects garbage at the moment."""


def _note(phase: str, _: Mapping[str, int]) -> None:
    global _collecting
    _collecting = threading.get_ident() if phase == "start" else None


gc.callbacks.append(_note)


@contextmanager
def of_generator(executor: E) -> Iterator[E]:
    """An executor for a generator: when that is closed, what is not begun yet is given up.

    What has begun is waited for, but not where the collection of garbage closes a generator that
    nobody has read to its end: that happens in any thread, in the middle of the start of another
    one too, which holds the lock that a wait for threads takes.
    """
    try:
        yield executor
    finally:
        collected = _collecting == threading.get_ident()
        executor.shutdown(wait=not collected, cancel_futures=True)
