"""What a manifest says of its samples' labels, be they label maps or boxes."""

from __future__ import annotations

from advent_dist.config import Labels
from advent_dist.data.box_manifest import lacking_boxes, require_boxes
from advent_dist.data.manifest import Manifest, lacking, require_labelled_pixels
from advent_dist.errors import DataError


def require_labels(manifest: Manifest, labels: Labels, url: str) -> None:
    """Refuse labels that there is nothing to learn from; that there are none is none's fault.

    Raises:
        DataError: no pixel is labelled, or there is no box.
    """
    if labels == "boxes":
        require_boxes(manifest.boxes, url)
    else:
        require_labelled_pixels(manifest, url)


def lacking_classes(manifest: Manifest, labels: Labels, url: str) -> str | None:
    """The sentence on classes that a folder's labels have nothing of, if there are any."""
    return lacking_boxes(manifest.boxes, url) if labels == "boxes" else lacking(manifest, url)


def histogram(manifest: Manifest, labels: Labels) -> tuple[int, ...]:
    """Labelled pixels of each class, or boxes; empty without labels."""
    if labels == "pixels":
        return manifest.class_histogram
    return () if manifest.boxes is None else manifest.boxes.histogram


def missing_labels(manifest: Manifest, labels: Labels, url: str) -> DataError:
    """The error of shards that lack the labels that are asked for, by what they have instead.

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
