"""What a piece of code takes of memory at most, as Linux counts it."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path


def memory_mb(what: str) -> float:
    """A line of this process' status, such as VmRSS, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{what}:\s+(\d+) kB", status)[0]) / 1000


def forget_peak() -> None:
    """Have VmHWM count from here."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb(call: Callable[[], object]) -> float:
    """How much more than before a call takes while it runs."""
    # What earlier calls have freed and the process has kept would be used again unseen.
    ctypes.CDLL(None).malloc_trim(0)
    before = memory_mb("VmRSS")
    forget_peak()
    call()
    return memory_mb("VmHWM") - before
