"""Threads and processes that generators have work done by."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar

E = TypeVar("E", bound=Executor)


@contextmanager
def unwaited(executor: E) -> Iterator[E]:
    """An executor that ends without a wait for what it is at; what has not begun never will.

    Generators need that: one that is not read to its end may be closed by the collection of
    garbage, in whichever thread that happens to run, in the middle of the start of a thread too. To
    wait for threads takes a lock that is held there, and the wait never ends.
    """
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
