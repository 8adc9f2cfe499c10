"""Temporary folders of gigabytes, each locked as long as a process uses it.

The lock goes with its process, however that ends and whichever container it was in: numbers of
processes say nothing to those who share a /tmp from other containers.
"""

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

_PREFIX = "advent-dist-"
_OURS = re.compile(_PREFIX + r"(own-\w{8}|shared-[0-9a-f]+)")
_FILES, _LOCK = "files", "lock"

_locks: dict[Path, int] = {}
"""Of this process's own folders."""


def new_folder() -> Path:
    """A new folder of this process alone, to be removed by `remove_folder`."""
    while True:
        place = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}own-"))
        lock = lock_of(place, fcntl.LOCK_EX)
        if lock is not None:
            break
    files = place / _FILES
    files.mkdir()
    _locks[files] = lock
    return files


def remove_folder(folder: Path) -> None:
    """Remove one that `new_folder` made, unless that has been done."""
    lock = _locks.pop(folder, None)
    if lock is not None:
        shutil.rmtree(folder.parent, ignore_errors=True)
        os.close(lock)


@contextmanager
def removed_on_error(folder: Path | None) -> Iterator[None]:
    """A folder that `new_folder` made goes when the block fails; None is none."""
    try:
        yield
    except BaseException:
        # It has gigabytes, and the runs that are tried again would fill the disk with more.
        if folder is not None:
            remove_folder(folder)
        raise


@contextmanager
def own_folder() -> Iterator[Path]:
    """A new folder of this process alone, until the block ends."""
    folder = new_folder()
    try:
        yield folder
    finally:
        remove_folder(folder)


@contextmanager
def shared_folder(name: str) -> Iterator[tuple[Path, int]]:
    """A folder that processes of this machine and user share, and its lock, which each shares too.

    Args:
        name: Hexadecimal digits.

    Raises:
        DataError: somebody else has a folder of that name.
    """
    place = Path(tempfile.gettempdir(), f"{_PREFIX}shared-{name}")
    while True:
        place.mkdir(mode=0o700, exist_ok=True)
        if place.stat().st_uid != os.getuid():
            raise DataError(f"{place} belongs to somebody else; set TMPDIR to a folder of your own")
        lock = lock_of(place, fcntl.LOCK_SH)
        if lock is not None:
            break
    try:
        yield place, lock
    finally:
        os.close(lock)


def lock_of(place: Path, how: int, *, create: bool = True) -> int | None:
    """The descriptor that holds a folder's lock; None if the folder was deleted meanwhile.

    Args:
        place: The folder.
        how: As `fcntl.flock` has it.
        create: Make the lock where there is none; else there is no descriptor, either.

    Raises:
        BlockingIOError: another process has the lock, and `how` says not to wait.
    """
    try:
        # A file, since a folder on NFS can't be locked.
        lock = os.open(place / _LOCK, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, how)
        if (place / _LOCK).stat().st_ino == os.fstat(lock).st_ino:
            return lock
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def remove_leftovers() -> None:
    """Delete what processes that were killed have left in the temporary folder."""
    for place in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # in use, or another process is at it too
            if _OURS.fullmatch(place.name) and place.stat().st_uid == os.getuid():
                # A folder without one is not ours, whatever its name.
                lock = lock_of(place, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
                if lock is not None:
                    shutil.rmtree(place, ignore_errors=True)
                    os.close(lock)


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
