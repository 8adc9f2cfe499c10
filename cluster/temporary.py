"""The folder for temporary files, below which sockets lie: their paths must be short."""

from __future__ import annotations

import os
from typing import NamedTuple

_LONGEST = 107
"""Bytes of the path of a Unix socket, as Linux bounds it."""

_OF_RAY = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1")
_OF_LOADERS = len("/pymp-abcdefgh/listener-abcdefgh")
"""Bytes that Ray, and Python's processes that load data, append to it."""


def why_too_long(folder: str, *, for_ray: bool) -> str:
    """Look at the path of a folder for temporary files.

    Args:
        folder: Its path.
        for_ray: Ray is to be started there; else it is for loader processes alone.

    Returns:
        Why sockets can't lie below it, or nothing.
    """
    length = len(os.fsencode(os.path.abspath(folder)))
    most = _LONGEST - (_OF_RAY if for_ray else _OF_LOADERS)
    if length <= most:
        return ""
    whose = "Ray's sockets" if for_ray else "the sockets of loader processes"
    return f"{folder}: its path has {length} bytes, which leaves {whose} no room ({most} at most)"


class Unfit(NamedTuple):
    """A folder for temporary files in which Ray can't be started."""

    reason: str
    """Why."""

    fix: str
    """What to set, and to what."""


def why_unfit() -> Unfit | None:
    """Why Ray can't be started with this process's TMPDIR and RAY_TMPDIR, or nothing."""
    usual, of_ray = os.environ.get("TMPDIR") or "/tmp", os.environ.get("RAY_TMPDIR")
    for name, folder, for_ray in (
        ("RAY_TMPDIR", of_ray, True),
        ("TMPDIR", usual, not of_ray),
    ):
        reason = why_too_long(folder, for_ray=for_ray) if folder else ""
        if reason:
            return Unfit(reason, f"set {name} to a folder with a shorter path, such as /tmp")
    return None
