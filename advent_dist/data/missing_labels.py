"""Shards that lack the labels that are asked for: what to do, by what they have instead."""

from __future__ import annotations

from advent_dist.config import Labels
from advent_dist.data.manifest import Manifest
from advent_dist.errors import DataError


def missing_labels(manifest: Manifest, labels: Labels, url: str) -> DataError:
    """The error that says so.

    Args:
        manifest: of the shards.
        labels: the kind that they lack.
        url: their folder, for the message.
    """
    if labels == "pixels" and manifest.has("boxes"):
        return DataError(
            f"{url}: its shards have boxes, but no label maps; set data.labels = boxes (for a "
            "detector), or build them again with label maps"
        )
    if labels == "boxes" and manifest.has("pixels"):
        return DataError(
            f"{url}: its shards have label maps, but no boxes; set data.labels = pixels (for a "
            "segmenter), or build them again with boxes"
        )
    kind = "boxes" if labels == "boxes" else "labels"
    return DataError(f"{url}: its shards have no {kind}; build them again with {kind}")
