"""The folder that shards are built into: what a build of ours wrote there, and what somebody else.

A build's first file is its mark. Without it, and without a manifest, a file that is called like a
shard is somebody else's: many tools name theirs alike.
"""

from __future__ import annotations

import json
import logging
import re

from advent_dist.data.manifest import FILE_NAME, Manifest
from advent_dist.data.store import Folder
from advent_dist.errors import DataError
from advent_dist.json_text import json_object

_MARK = "unfinished.json"

_SHARD = re.compile(r"\d{6}\.(tar|json)")
_OURS = re.compile(rf"\d{{6}}\.(tar|json)|{_MARK}|\.(\d{{6}}\.(tar|json)|[a-z]+\.json)\.\w{{8}}")
"""Shards, their records, the mark, and what a killed build leaves of them in a local folder."""

_BUILD = re.compile(r"[0-9a-f]{64}")
"""What identifies a build."""

_log = logging.getLogger(__name__)


def make_room(folder: Folder, build: str, *, overwrite: bool) -> None:
    """Make sure that a build deletes and replaces nothing of others, and mark the folder as its.

    Args:
        folder: Where shards are to be written.
        build: What identifies the build.
        overwrite: Delete the shards that an earlier build wrote; it is said which.

    Raises:
        DataError: shards are there, or files that no build of ours wrote.
    """
    names = folder.list()
    begun = _begun(folder, names)
    if FILE_NAME in names:
        if not overwrite:
            raise DataError(
                f"{folder.url} holds shards already; give another folder, or --overwrite"
            )
        # What is no manifest of ours is refused here, before anything is lost.
        manifest = Manifest.from_json(folder.read(FILE_NAME), f"{folder.url}/{FILE_NAME}")
        if manifest.members is not None:
            raise DataError(
                f"{folder.url}: its tars were there before, and were adopted; give another folder"
            )
        shards = [shard.name for shard in manifest.shards if shard.name in names]
        _require_no_others(folder, [name for name in names if name not in shards])
        _log.warning("--overwrite deletes in %s: %s", folder.url, ", ".join([FILE_NAME, *shards]))
        # The manifest goes first: without it, a half-replaced folder is none.
        folder.write(_MARK, json.dumps({"build": build}).encode())
        folder.remove(FILE_NAME)
        for name in shards:
            folder.remove(name)
    elif begun is None:
        _require_no_others(folder, names)
    else:
        ours = _unfinished(folder, names, begun)
        _require_no_others(folder, [name for name in names if name not in ours])
        if begun != build:
            _begin_anew(folder, ours, overwrite=overwrite)
    folder.write(_MARK, json.dumps({"build": build}).encode())


def _begun(folder: Folder, names: list[str]) -> str | None:
    """What identifies the build that has begun here; its mark says so, or its first record.

    Raises:
        DataError: there is a file called like the mark, which is somebody else's.
    """
    # Before there were marks, there were records.
    notes = [name for name in (_MARK, "000000.json") if name in names]
    build = _build_of(folder, notes[0]) if notes else None
    if build is None and _MARK in names:
        raise DataError(
            f"{folder.url}: {_MARK} there is not of a build of advent-dist, whose mark would "
            "replace it; give another folder"
        )
    return build


def _build_of(folder: Folder, name: str) -> str | None:
    """Which build a mark or a record is of; none if it is neither."""
    try:
        build = json_object(folder.read(name), name).get("build")
    except DataError:
        return None
    return build if isinstance(build, str) and _BUILD.fullmatch(build) else None


def _unfinished(folder: Folder, names: list[str], build: str) -> list[str]:
    """What a build has written so far: shards with its record, and one that has none yet."""
    found: list[str] = []
    for name in sorted(name for name in names if name.endswith(".tar") and _SHARD.fullmatch(name)):
        record = f"{name[:6]}.json"
        if record not in names:
            return [*found, name]
        if _build_of(folder, record) != build:
            break
        found += [name, record]
    return found


def _begin_anew(folder: Folder, unfinished: list[str], *, overwrite: bool) -> None:
    """Delete the rest of a build of other data, or by other options.

    Raises:
        DataError: it is not to be overwritten.
    """
    if not unfinished:
        return
    if not overwrite:
        raise DataError(
            f"{folder.url} holds an unfinished build of something else, or of files that have "
            "changed since; give another folder, or --overwrite"
        )
    _log.warning("--overwrite deletes in %s: %s", folder.url, ", ".join(unfinished))
    for name in unfinished:
        folder.remove(name)


def _require_no_others(folder: Folder, names: list[str]) -> None:
    foreign = [name for name in names if _SHARD.fullmatch(name)]
    if foreign:
        raise DataError(
            f"{folder.url}: {foreign[0]} there is not of a build of advent-dist, and shards would "
            "replace it; give another folder"
        )


def tidy(folder: Folder, keep: set[str]) -> None:
    """Delete what a build has left besides its shards; the mark goes last.

    Args:
        folder: One that `make_room` has marked.
        keep: Names of the shards.
    """
    names = [name for name in folder.list() if _OURS.fullmatch(name) and name not in keep]
    for name in sorted(names, key=lambda name: name == _MARK):
        folder.remove(name)
