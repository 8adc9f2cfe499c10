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

_MARK = "unfinished.json"

_SHARD = re.compile(r"\d{6}\.(tar|json)")
_OURS = re.compile(rf"\d{{6}}\.(tar|json)|{_MARK}|\.(\d{{6}}\.(tar|json)|[a-z]+\.json)\.\w{{8}}")
"""Shards, their records, the mark, and what a killed build leaves of them in a local folder."""

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
    elif _MARK not in names and not _has_record(folder, names):
        _require_no_others(folder, names)
    folder.write(_MARK, json.dumps({"build": build}).encode())


def _require_no_others(folder: Folder, names: list[str]) -> None:
    foreign = [name for name in names if _SHARD.fullmatch(name)]
    if foreign:
        raise DataError(
            f"{folder.url}: {foreign[0]} there is not of a build of advent-dist, and shards would "
            "replace it; give another folder"
        )


def _has_record(folder: Folder, names: list[str]) -> bool:
    """Whether a build has begun here before there were marks: its first record says so."""
    first = "000000.json"
    return first in names and b'"build"' in folder.read(first)


def tidy(folder: Folder, keep: set[str]) -> None:
    """Delete what a build has left besides its shards; the mark goes last.

    Args:
        folder: One that `make_room` has marked.
        keep: Names of the shards.
    """
    names = [name for name in folder.list() if _OURS.fullmatch(name) and name not in keep]
    for name in sorted(names, key=lambda name: name == _MARK):
        folder.remove(name)
