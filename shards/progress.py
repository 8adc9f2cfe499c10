"""Which shards of an unfinished build are finished: a JSON file beside each tar says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from advent_dist.data.manifest import Block, Shard
from advent_dist.data.store import Folder
from advent_dist.errors import DataError
from advent_dist.json_text import json_object


@dataclass(frozen=True)
class Finished:
    """A shard that is complete at the destination."""

    shard: Shard
    """Its entry for the manifest."""

    histogram: tuple[int, ...]
    """Labelled pixels of each class in it."""

    box_counts: tuple[int, ...] = ()
    """Boxes of each class and, last, of the ignored ones in it."""


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"{number:06d}.tar"


def record_name(number: int) -> str:
    """File name of the record of a finished shard."""
    return f"{number:06d}.json"


def record(folder: Folder, number: int, build: str, finished: Finished) -> None:
    """Note that a shard is finished; `build` identifies what is built, samples and options."""
    text = json.dumps({"build": build, **asdict(finished)})
    folder.write(record_name(number), text.encode())


def finished_shards(folder: Folder, build: str) -> Iterator[Finished]:
    """The shards that an interrupted run of the same build has finished, in order."""
    present = set(folder.list())
    number = 0
    while {shard_name(number), record_name(number)} <= present:
        finished = _read(folder, number, build)
        if finished is None:
            return
        yield finished
        number += 1


def _read(folder: Folder, number: int, build: str) -> Finished | None:
    """A shard's record; None if it is damaged or of another build, so that it is built again."""
    text = folder.read(record_name(number))
    try:
        raw = json_object(text, record_name(number))
        if raw["build"] != build:
            return None
        blocks = tuple(map(_block, raw["shard"].pop("blocks")))
        shard = Shard(**raw["shard"], blocks=blocks)
        return Finished(shard, tuple(raw["histogram"]), tuple(raw["box_counts"]))
    except (DataError, KeyError, TypeError, AttributeError):
        return None


def _block(raw: dict[str, Any]) -> Block:
    pixels = raw.pop("class_pixels")
    return Block(**raw, class_pixels=None if pixels is None else tuple(pixels))
