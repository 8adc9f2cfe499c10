"""What lies in a folder, as fsspec file systems tell it: one attempt, without retries."""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterator
from typing import Any

_log = logging.getLogger(__name__)


def names(files: Any, path: str, kind: str) -> list[str]:
    """Names of what lies in a folder, sorted; none if there is no such folder.

    Args:
        files: The fsspec file system.
        path: The folder, as `files` names it.
        kind: `file` or `directory`.
    """
    try:
        found = files.ls(path, detail=True)
    except FileNotFoundError as error:
        _require_bucket(error)
        return []
    return sorted(one["name"].rsplit("/", 1)[-1] for one in found if one["type"] == kind)


def sizes(files: Any, path: str) -> dict[str, int]:
    """Bytes of every file below, by its relative path; none if there is no such folder."""
    inside = f"{path.rstrip('/')}/"
    return {
        name.removeprefix(inside): int(one["size"])
        for name, one in _told(files, path).items()
        if name.startswith(inside)
    }


def stamps(files: Any, path: str) -> dict[str, tuple[int, ...]]:
    """Of every file below, by its relative path: numbers that change when the file does."""
    if "file" in files.protocol:
        below = walk(files, path)
        return {name: _stamp(os.path.join(path, name) if name else path) for name in below}
    told = _told(files, path)
    return {
        _relative(name, path): (
            int(told[name]["size"]),
            zlib.crc32(str(_version(told[name])).encode()),
        )
        for name in sorted(told)
        if not _is_folder(name)
    }


def walk(files: Any, path: str) -> list[str]:
    """Relative paths of all files below, sorted; one that is empty if the path is a file's."""
    found = _walk_local(path) if "file" in files.protocol else _told(files, path)
    return sorted(_relative(one, path) for one in found if not _is_folder(one))


def _told(files: Any, path: str) -> dict[str, Any]:
    """What a file system says of all that is below, by full path."""
    try:
        found: dict[str, Any] = files.find(path, detail=True)
    except FileNotFoundError as error:
        _require_bucket(error)
        return {}
    return found


def _require_bucket(error: FileNotFoundError) -> None:
    """A folder that is missing is empty, but not a bucket."""
    from advent_dist.data import faults  # it loads the S3 client

    if faults.is_missing_bucket(error):
        raise error


def _relative(name: str, path: str) -> str:
    return name.removeprefix(path).lstrip("/")


def _is_folder(name: str) -> bool:
    """An object whose name ends in / is how S3's console shows an empty folder."""
    return name.endswith("/")


def _stamp(path: str) -> tuple[int, ...]:
    try:
        stat = os.stat(path)
    except OSError:
        return ()
    return stat.st_size, stat.st_mtime_ns


def _version(told: dict[str, Any]) -> Any:
    """What object storage calls the content of an object."""
    return told.get("ETag") or told.get("LastModified") or told.get("modified")


def _walk_local(top: str) -> Iterator[str]:
    """Paths of all files below, through links too, but into no folder a second time."""
    if os.path.isfile(top):
        yield top
        return

    def stop(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            return
        if error.filename == top:
            raise error
        _log.warning("%s is left alone: it can't be listed (%s)", error.filename, error.strerror)

    seen = set()
    for folder, folders, files in os.walk(top, followlinks=True, onerror=stop):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (os.path.join(folder, file) for file in files)
