"""The five folders of street scenes that the `streets_*` experiments and the demo read."""

from __future__ import annotations

import posixpath
from typing import Literal, NamedTuple

from advent_dist.config import DataConfig, Size
from advent_dist.data.manifest import FILE_NAME
from advent_dist.data.store import open_folder
from shards.options import BuildOptions
from shards.streets.reader import Streets
from shards.write import build


class _Part(NamedTuple):
    look: Literal["clean", "dusk"]
    labelled: bool
    training: bool


PARTS = {
    "streets/clean/train": _Part("clean", labelled=True, training=True),
    "streets/clean/val": _Part("clean", labelled=True, training=False),
    "streets/dusk/train": _Part("dusk", labelled=False, training=True),
    "streets/dusk/tune": _Part("dusk", labelled=True, training=False),
    "streets/dusk/val": _Part("dusk", labelled=True, training=False),
}
"""Folder -> what it holds. The seed is its place here, so that no street is in two folders."""

BOX_PARTS = {name.replace("streets", "streets_boxes", 1): part for name, part in PARTS.items()}
"""The same streets with boxes, for detectors."""


def build_streets_data(
    root: str,
    *,
    size: Size = (192, 96),
    num_training: int = 400,
    num_evaluation: int = 100,
    processes: int | None = None,
    boxes: bool = False,
) -> list[str]:
    """Build those of the five folders that are not there yet.

    Args:
        root: Local folder or s3:// URL that `PARTS` are relative to.
        size: Width, height of the scenes in pixels.
        num_training: Scenes in each of the two training folders.
        num_evaluation: Scenes in each of the three others.
        processes: Processes that draw; none decides by the cores and the number of scenes.
        boxes: Build those with boxes, `BOX_PARTS`.

    Returns:
        The URLs that were built.

    Raises:
        DataError: `root` can't be written.
    """
    built = []
    for seed, (name, part) in enumerate((BOX_PARTS if boxes else PARTS).items()):
        url = posixpath.join(root, name)
        if open_folder(url).exists(FILE_NAME):
            continue
        count = num_training if part.training else num_evaluation
        reader = Streets(look=part.look, count=count, size=size, seed=seed, boxes=boxes)
        options = BuildOptions(
            unlabelled=not part.labelled, processes=processes, shuffle=False, shard_mb=4
        )
        build(reader, url, options)
        built.append(url)
    return built


def ensure_streets(data: DataConfig) -> list[str]:
    """Build the street scenes that a config reads, if it reads any and they are not there.

    Returns:
        The URLs that were built.
    """
    folders = {data.source, data.target, data.evaluation, data.source_evaluation, data.held_out}
    built = []
    for parts in PARTS, BOX_PARTS:
        if folders & set(parts):
            boxes = parts is BOX_PARTS
            built += build_streets_data(data.root, size=data.source_size, boxes=boxes)
    return built
