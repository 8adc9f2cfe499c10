"""Waiting for what another process does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

_EVERY_S = 0.1


def wait_until(
    holds: Callable[[], object],
    *,
    within_s: float,
    running: subprocess.Popen[Any] | None = None,
    said: Callable[[], object] = lambda: None,
) -> None:
    """Ask again and again.

    Args:
        holds: What is waited for.
        within_s: Seconds after which it is too late.
        running: A process that must not end before.
        said: Told if it did, or if it was too late.
    """
    deadline = time.monotonic() + within_s
    while not holds():
        assert running is None or running.poll() is None, said()
        assert time.monotonic() < deadline, said()
        time.sleep(_EVERY_S)
