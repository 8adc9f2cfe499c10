"""Temporary folders of gigabytes: named after their process, so that what it leaves is found."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from advent_dist.errors import DataError
from advent_dist.processes import is_alive

_PREFIX = "advent-dist-"
_OF_PROCESS = re.compile(_PREFIX + r"checkpoint-(\d+)-.*")
_SHARED = re.compile(_PREFIX + r"restored-[0-9a-f]+")


def new_folder() -> Path:
    """A new folder for this rank's part of a checkpoint."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}checkpoint-{os.getpid()}-"))


def shared_folder(name: str) -> Path:
    """A folder that processes of this machine and user share; `name` is of hexadecimal digits."""
    folder = Path(tempfile.gettempdir(), f"{_PREFIX}restored-{name}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise DataError(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own")
    return folder


def remove_leftovers() -> None:
    """Delete what processes that were killed have left in the temporary folder."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another process is at it too
            if folder.stat().st_uid != os.getuid():
                continue
            of_process = _OF_PROCESS.fullmatch(folder.name)
            if of_process and not is_alive(int(of_process[1])):
                shutil.rmtree(folder, ignore_errors=True)
            elif _SHARED.fullmatch(folder.name):
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    """Delete a shared folder unless somebody reads it (BlockingIOError)."""
    with open(folder / "lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def disk_full_is_said(place: Path) -> Iterator[None]:
    """A full disk is one message.

    Raises:
        DataError: the disk of `place` is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DataError(
            f"{place}: the disk is full ({error.strerror}); make room there, or set TMPDIR to a "
            "folder on a larger disk"
        ) from error
