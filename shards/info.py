"""A folder of shards in words: its manifest as tables."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Group
from rich.table import Table

from advent_dist.data.manifest import Manifest


class ClassShare(NamedTuple):
    """How often a class occurs."""

    train_id: int
    name: str

    colour: tuple[int, int, int]
    """RGB."""

    percent: float
    """Of all labelled pixels."""


class BoxCount(NamedTuple):
    """How many boxes of a class there are."""

    train_id: int
    name: str

    colour: tuple[int, int, int]
    """RGB."""

    boxes: int
    """Without those that are ignored."""


def facts(manifest: Manifest, url: str) -> list[tuple[str, str]]:
    """Name and value of what a manifest says of the folder as a whole."""
    blocks = [block for shard in manifest.shards for block in shard.blocks]
    boxes = manifest.boxes
    told = []
    if boxes is not None:
        number = f"{sum(boxes.histogram):,} of {boxes.classes}, and {boxes.ignored:,} ignored"
        told = [("boxes", number)]
    return [
        ("folder", url),
        ("built from", manifest.dataset),
        ("classes", manifest.classes or "none"),
        ("labelled", "yes" if manifest.labelled else "no"),
        *told,
        ("samples", f"{manifest.num_samples:,}"),
        ("shards", f"{len(manifest.shards):,} ({len(blocks):,} blocks)"),
        ("size", f"{manifest.num_bytes / 1e6:,.1f} MB"),
    ]


def class_shares(manifest: Manifest) -> list[ClassShare]:
    """The frequency of each class, in the order of the train ids; none without labels."""
    if not manifest.labelled:
        return []
    total = max(1, sum(manifest.class_histogram))
    described = zip(manifest.class_names, manifest.palette, manifest.class_histogram, strict=True)
    return [
        ClassShare(train_id, name, colour, 100 * pixels / total)
        for train_id, (name, colour, pixels) in enumerate(described)
    ]


def box_counts(manifest: Manifest) -> list[BoxCount]:
    """How many boxes each class has, in the order of the train ids; none without boxes."""
    boxes = manifest.boxes
    if boxes is None:
        return []
    described = zip(boxes.class_names, boxes.palette, boxes.histogram, strict=True)
    return [
        BoxCount(train_id, name, colour, count)
        for train_id, (name, colour, count) in enumerate(described)
    ]


def tables(manifest: Manifest, url: str) -> Group:
    """What is in a folder of shards, for a rich console."""
    known = Table(show_header=False, box=None)
    for name, value in facts(manifest, url):
        known.add_row(name, value)
    shares = Table("class", "name", "share of labelled pixels")
    for share in class_shares(manifest):
        shares.add_row(str(share.train_id), share.name, f"{share.percent:.2f} %")
    counts = Table("class", "name", "boxes")
    for box in box_counts(manifest):
        counts.add_row(str(box.train_id), box.name, f"{box.boxes:,}")
    shown = [known, *([shares] if manifest.labelled else []), *([counts] if manifest.boxes else [])]
    return Group(*shown)
