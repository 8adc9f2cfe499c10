"""The processes that a test has started, by what they call themselves."""

from __future__ import annotations

import psutil


def name_in(process: psutil.Process) -> str:
    """The first word of its command, which Ray writes anew; none of one that has just ended."""
    try:
        return next(iter(process.cmdline()), "")
    except psutil.Error:
        return ""
