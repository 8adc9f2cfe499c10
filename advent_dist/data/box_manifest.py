"""What a manifest says of its samples' boxes."""

from __future__ import annotations

from dataclasses import dataclass, field

from advent_dist.data.classes import ClassSet
from advent_dist.data.manifest_fields import ClassNames, Count, Name, Palette, Subsets
from advent_dist.errors import DataError


@dataclass(frozen=True, kw_only=True)
class BoxManifest:
    """The classes of the boxes, which may be others than those of the label maps beside them."""

    classes: Name
    """Name of the class set."""

    class_names: ClassNames
    """Names, in the order of the train ids."""

    palette: Palette
    """RGB colour of each class."""

    subsets: Subsets = field(default_factory=dict)
    """Reported subset -> train ids."""

    histogram: tuple[Count, ...]
    """Boxes of each class over all samples, without those that are ignored."""

    ignored: Count = 0
    """Boxes that are ignored."""

    @property
    def class_set(self) -> ClassSet:
        """The classes that the boxes were built with."""
        return ClassSet(
            name=self.classes, names=self.class_names, palette=self.palette, subsets=self.subsets
        )

    @property
    def fault(self) -> str | None:
        """What does not go together in it, if anything does not."""
        counts = {len(self.class_names), len(self.palette), len(self.histogram)}
        if len(counts) > 1 or not self.class_names:
            return f"class_names, palette and histogram are of {sorted(counts)} classes"
        if len(set(self.class_names)) < len(self.class_names):
            return "class_names has a name twice"
        for subset, train_ids in self.subsets.items():
            if not train_ids or max(train_ids) >= len(self.class_names):
                return f"subsets.{subset} = {list(train_ids)} is not of its classes"
        return None


def box_manifest(classes: ClassSet, counts: tuple[int, ...]) -> BoxManifest:
    """What is said of boxes that were counted.

    Args:
        classes: of the boxes.
        counts: of each class and, last, of the ignored ones; see `box_file.count_boxes`.
    """
    *histogram, ignored = counts
    return BoxManifest(
        classes=classes.name,
        class_names=classes.names,
        palette=classes.palette,
        subsets=classes.subsets,
        histogram=tuple(histogram),
        ignored=ignored,
    )


def require_boxes(boxes: BoxManifest | None, url: str) -> None:
    """Refuse samples of which none has a box.

    Args:
        boxes: what the manifest says of them; none is of samples that are without labels.
        url: the folder, for the message.

    Raises:
        DataError: there is nothing to learn or score.
    """
    if boxes is not None and not any(boxes.histogram):
        raise DataError(
            f"{url}: none of its samples has a box that is not ignored, so that there is nothing "
            "to learn or score; build the shards again from images that have"
        )


def lacking_boxes(boxes: BoxManifest | None, url: str) -> str | None:
    """The sentence on classes that a folder has no box of, if there are any."""
    if boxes is None or all(boxes.histogram):
        return None
    counted = zip(boxes.class_names, boxes.histogram, strict=True)
    empty = [name for name, count in counted if not count]
    share = f"{len(empty)} of the {len(boxes.class_names)} classes"
    return f"{url}: no box in {share}: {', '.join(empty)}"
