"""The folders of street scenes that the `streets_*` experiments and the demo read."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Literal, NamedTuple

from advent_dist.config import DataConfig, Size
from advent_dist.data.manifest import FILE_NAME
from advent_dist.data.store import open_folder
from shards.options import BuildOptions
from shards.streets.reader import Streets
from shards.write import build


class _Part(NamedTuple):
    look: Literal["clean", "dusk", "fog"]
    seed: int
    labelled: bool = True
    training: bool = False
    boxes: bool = False


PARTS = {
    "streets/clean/train": _Part("clean", 0, training=True),
    "streets/clean/val": _Part("clean", 1),
    "streets/dusk/train": _Part("dusk", 2, labelled=False, training=True),
    "streets/dusk/tune": _Part("dusk", 3),
    "streets/dusk/val": _Part("dusk", 4),
}
"""Folder -> what it holds. Their seeds differ, so that no street is in two folders."""

BOX_PARTS = {
    "streets_boxes/clean/train": _Part("clean", 0, training=True, boxes=True),
    "streets_boxes/clean/val": _Part("clean", 1, boxes=True),
    "streets_boxes/fog/train": _Part("fog", 2, labelled=False, training=True),
    "streets_boxes/fog/train_labelled": _Part("fog", 2, training=True, boxes=True),
    "streets_boxes/fog/tune": _Part("fog", 3, boxes=True),
    "streets_boxes/fog/val": _Part("fog", 4, boxes=True),
}
"""The same of those with boxes, for detectors; of the target's training images some are labelled,
for the oracle."""


def build_streets_data(
    root: str,
    *,
    size: Size = (192, 96),
    num_training: int = 400,
    num_evaluation: int = 100,
    processes: int | None = None,
    parts: Mapping[str, _Part] = PARTS,
) -> list[str]:
    """Build those folders that are not there yet.

    Args:
        root: Local folder or s3:// URL that the folders are relative to.
        size: Width, height of the scenes in pixels.
        num_training: Scenes in each of the training folders.
        num_evaluation: Scenes in each of the others.
        processes: Processes that draw; none decides by the cores and the number of scenes.
        parts: Which folders, `PARTS` or some of `BOX_PARTS`.

    Returns:
        The URLs that were built.

    Raises:
        DataError: `root` can't be written.
    """
    built = []
    for name, part in parts.items():
        url = posixpath.join(root, name)
        if open_folder(url).exists(FILE_NAME):
            continue
        count = num_training if part.training else num_evaluation
        reader = Streets(look=part.look, count=count, size=size, seed=part.seed, boxes=part.boxes)
        options = BuildOptions(
            unlabelled=not part.labelled, processes=processes, shuffle=False, shard_mb=4
        )
        build(reader, url, options, shared=True)
        built.append(url)
    return built


def ensure_streets(data: DataConfig) -> list[str]:
    """Build the street scenes that a config reads, if it reads any and they are not there.

    All five without boxes, which the demo shares; with boxes only those that are read.

    Returns:
        The URLs that were built.
    """
    folders = {data.source, data.target, data.evaluation, data.source_evaluation, data.held_out}
    parts = dict(PARTS) if folders & set(PARTS) else {}
    parts |= {name: part for name, part in BOX_PARTS.items() if name in folders}
    return build_streets_data(data.root, size=data.source_size, parts=parts)
