"""Blocks of shards on the local disk, shared by all processes of a node and by several jobs.

DIR/ab/ab12..    a block: the sha256 of its bytes. They have to have it, whoever put them there, so
                 that no manifest, whatever it says, changes what another one's readers get.
DIR/incoming/    blocks being written; each is locked as long as its writer lives
DIR/size         bytes of all blocks; whoever changes the cache locks this file

Files of other names are left alone: the folder may be somebody's own.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from advent_dist.errors import DataError

_SHELF = re.compile(r"[0-9a-f]{2}")
_BLOCK = re.compile(r"[0-9a-f]{64}(-\d+)?")
"""Once they were named by their shard and first byte: those give way like others."""

_UNFINISHED = re.compile(r"[0-9a-f]{32}")

_FILL_AGAIN_TO = 0.9
"""Share of the limit that is left in the cache when room is made, lest each block makes some."""


class BlockCache:
    """A folder of blocks that together never exceed a size; the least recently used give way.

    Args:
        folder: Local folder; made if it is not there.
        limit_bytes: Size that the blocks may have together.

    Raises:
        DataError: the folder has files of somebody else that are called like those of a cache.
    """

    def __init__(self, folder: str, limit_bytes: int) -> None:
        self._folder = Path(folder).expanduser()
        self._incoming = self._folder / "incoming"
        self._limit = limit_bytes
        self._incoming.mkdir(parents=True, exist_ok=True)
        if not (self._folder / "size").exists() and any(self._blocks()):
            raise self._of_others("is not there, but files that look like blocks are")
        with self._ledger() as ledger:
            self._remove_unfinished()
            ledger.num_bytes = self._count()

    def get(self, sha256: str) -> bytes | None:
        """The bytes with this digest, or None. Others under its name are thrown away.

        Args:
            sha256: 64 hex digits.
        """
        path = self._path(sha256)
        with contextlib.suppress(FileNotFoundError):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == sha256:
                os.utime(path)  # used just now
                return data
            with self._ledger() as ledger:
                path.unlink()
                ledger.num_bytes = self._count()
        return None

    def put(self, sha256: str, data: bytes | bytearray) -> None:
        """Keep a block: all of it or nothing, whenever the process is killed.

        Args:
            sha256: the digest of the bytes, 64 hex digits; `get` finds out if it is not.
            data: the bytes.

        Raises:
            OSError: the disk is full, or the folder can't be written.
        """
        path = self._path(sha256)
        if len(data) > self._limit or path.exists():
            return
        path.parent.mkdir(exist_ok=True)
        with self._written(data) as temporary, self._ledger() as ledger:
            if not path.exists():  # another process may have been faster
                if ledger.num_bytes + len(data) > self._limit:
                    ledger.num_bytes = self._make_room(len(data))
                os.replace(temporary, path)
                ledger.num_bytes += len(data)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    def _make_room(self, num_bytes: int) -> int:
        """Delete the blocks unused for longest, for `num_bytes` more; the bytes that stay."""
        blocks = sorted(
            (entry.stat().st_mtime_ns, entry.stat().st_size, entry.path) for entry in self._blocks()
        )
        size = sum(block_bytes for _, block_bytes, _ in blocks)
        for _, block_bytes, path in blocks:
            if size <= self._limit * _FILL_AGAIN_TO - num_bytes:
                break
            os.unlink(path)
            size -= block_bytes
        return size

    def _count(self) -> int:
        return sum(entry.stat().st_size for entry in self._blocks())

    def _blocks(self) -> Iterator[os.DirEntry[str]]:
        for folder in os.scandir(self._folder):
            if folder.is_dir() and _SHELF.fullmatch(folder.name):
                yield from (entry for entry in os.scandir(folder) if _BLOCK.fullmatch(entry.name))

    def _of_others(self, why: str) -> DataError:
        return DataError(
            f"data.cache_dir = {str(self._folder)!r} is no cache of advent-dist: its file size "
            f"{why}; give another folder"
        )

    @contextlib.contextmanager
    def _written(self, data: bytes | bytearray) -> Iterator[Path]:
        """A new file with `data`, locked; deleted afterwards, unless it was moved away."""
        path = self._incoming / uuid.uuid4().hex
        with contextlib.ExitStack() as closing:
            with self._ledger():  # whoever looks for unfinished files finds this one locked
                file = closing.enter_context(open(path, "xb"))
                fcntl.flock(file, fcntl.LOCK_EX)
            try:
                file.write(data)
                file.flush()
                yield path
            finally:
                path.unlink(missing_ok=True)

    def _remove_unfinished(self) -> None:
        """Delete what killed processes left: nobody holds a lock on it."""
        for path in self._incoming.iterdir():
            if not _UNFINISHED.fullmatch(path.name):
                continue
            with contextlib.suppress(OSError), open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    @contextlib.contextmanager
    def _ledger(self) -> Iterator[_Ledger]:
        with open(self._folder / "size", "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            # Empty in a new cache, or where a writer was killed or found the disk full.
            if not re.fullmatch(r"\d{0,20}", text):
                raise self._of_others(f"says {text[:20]!r}")
            ledger = _Ledger(int(text) if text else self._count())
            yield ledger
            file.truncate(0)
            file.write(str(ledger.num_bytes))


@dataclass
class _Ledger:
    """What the file `size` says, while it is locked."""

    num_bytes: int
