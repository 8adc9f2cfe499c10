"""What a manifest says of its samples' labels, be they label maps or boxes."""

from __future__ import annotations

from advent_dist.config import Labels
from advent_dist.data.box_manifest import lacking_boxes, require_boxes
from advent_dist.data.manifest import Manifest, lacking, require_labelled_pixels


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
