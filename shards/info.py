"""A folder of shards in words: its manifest as tables."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table

from advent_dist.data.manifest import Manifest


def tables(manifest: Manifest, url: str) -> Group:
    """What is in a folder of shards, for a rich console."""
    facts = Table(show_header=False, box=None)
    blocks = [block for shard in manifest.shards for block in shard.blocks]
    for name, value in (
        ("folder", url),
        ("built from", manifest.dataset),
        ("classes", manifest.classes),
        ("labelled", "yes" if manifest.labelled else "no"),
        ("samples", f"{manifest.num_samples:,}"),
        ("shards", f"{len(manifest.shards):,} ({len(blocks):,} blocks)"),
        ("size", f"{manifest.num_bytes / 1e6:,.1f} MB"),
    ):
        facts.add_row(name, value)
    if not manifest.labelled:
        return Group(facts)
    total = max(1, sum(manifest.class_histogram))
    shares = Table("class", "name", "share of labelled pixels")
    for i, (name, pixels) in enumerate(
        zip(manifest.class_names, manifest.class_histogram, strict=True)
    ):
        shares.add_row(str(i), name, f"{100 * pixels / total:.2f} %")
    return Group(facts, shares)
