"""A checkpoint on this machine's disk for as long as ranks read it: one copy a machine."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from advent_dist.data.store import Folder
from advent_dist.training.scratch import disk_full_is_said, shared_folder

COMPLETE = "complete"


@contextmanager
def on_this_disk(folder: Folder, names: Sequence[str]) -> Iterator[Path]:
    """Files of a folder as local ones, until the block ends.

    The first process of a machine downloads them for all that ask meanwhile; the last one that is
    done deletes them.

    Args:
        folder: Any folder; a local one is used where it is.
        names: Relative paths in it, none of which leads out of it.

    Raises:
        DataError: a file can't be read, or the temporary folder is full.
    """
    if folder.is_local:
        yield Path(folder.path)
        return
    name = hashlib.sha256(folder.url.encode()).hexdigest()[:16]
    with shared_folder(name) as (place, lock):
        try:
            _download_once(folder, names, place)
            yield place / "files"
        finally:
            # Refused as long as another process reads: that one deletes it.
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (place / COMPLETE).unlink(missing_ok=True)
                shutil.rmtree(place, ignore_errors=True)


def _download_once(folder: Folder, names: Sequence[str], place: Path) -> None:
    """Download, unless another process has: ranks read at the same time, so none waits for one."""
    complete = place / COMPLETE
    with open(place / "downloading", "w") as lock, disk_full_is_said(place):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _download(folder, names, place)
            complete.touch()


def _download(folder: Folder, names: Sequence[str], place: Path) -> None:
    for name in names:
        file = place / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(folder.read(name))
