"""The boxes of a street's vehicles, people and cycles, in every look the same.

An object is what its drawing function paints in one class, so that two cars one behind the other
are two, and a cyclist is a rider and a bicycle. Its box is around the pixels of it that nothing
nearer covers. It is ignored where less than a fifth of what the picture could show of it is seen,
or its box has less than 16 pixels; of one that is hidden altogether there is no box.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import find_objects

from advent_dist.data.box_arrays import BoxArrays, box_arrays
from advent_dist.data.class_sets import CITYSCAPES_19, CITYSCAPES_BOXES_8
from shards.streets.drawing import Drawing
from shards.streets.street import draw_street

_LEAST_SEEN = 0.2
"""Of an object's area."""

_LEAST_PIXELS = 16
"""Of a box's area."""

_TRAIN_IDS = {
    CITYSCAPES_19.names.index(name): train_id
    for train_id, name in enumerate(CITYSCAPES_BOXES_8.names)
}
"""Train id of a part's label -> that of a box."""


@dataclass
class Objects:
    """What a drawing shows, each noted when it has just been drawn, before anything nearer is."""

    of_part: list[int] = field(default_factory=list)
    """Number of the object that a part is of; -1 for all else."""

    labels: list[int] = field(default_factory=list)
    """Train id of each object."""

    areas: list[int] = field(default_factory=list)
    """Pixels of the drawing that each would have without anything before it."""

    def note(self, drawing: Drawing) -> None:
        """Note what was drawn since the last call."""
        first = len(self.of_part)
        numbers: dict[int, int] = {}
        for part in drawing.parts[first:]:
            if part.label in _TRAIN_IDS and part.label not in numbers:
                numbers[part.label] = len(self.labels)
                self.labels.append(_TRAIN_IDS[part.label])
            self.of_part.append(numbers.get(part.label, -1))
        if numbers:
            index = drawing.index
            parts = np.bincount(index[index >= first] - first, minlength=len(drawing.parts) - first)
            of_part = np.array(self.of_part[first:])
            self.areas += [int(parts[of_part == number].sum()) for number in numbers.values()]

    def boxes(self, drawing: Drawing, factor: int) -> BoxArrays:
        """The boxes of what is seen of them.

        Args:
            drawing: With all that is in the picture.
            factor: How many times it is larger than the image, in whose pixels boxes are.
        """
        seen = np.array(self.of_part, np.int32)[drawing.index] + 1
        counts = np.bincount(seen.ravel(), minlength=len(self.labels) + 1)[1:]
        places = find_objects(seen, max_label=len(self.labels))
        edges, labels, ignore = [], [], []
        for label, area, count, place in zip(self.labels, self.areas, counts, places, strict=True):
            if place is None:
                continue
            rows, columns = place
            ends = (columns.start, rows.start, columns.stop, rows.stop)
            left, top, right, bottom = (end / factor for end in ends)
            small = (right - left) * (bottom - top) < _LEAST_PIXELS
            edges.append((left, top, right, bottom))
            labels.append(label)
            ignore.append(bool(small or count < _LEAST_SEEN * area))
        return box_arrays(edges, labels, ignore)


def boxes_of_street(seed: int, size: tuple[int, int], factor: int) -> BoxArrays:
    """The boxes of street number `seed`.

    Args:
        seed: Number of the street.
        size: Width, height of the image in pixels.
        factor: How many times the drawing is larger than the image: edges are as fine.
    """
    objects = Objects()
    drawing = draw_street(seed, factor * size[0], factor * size[1], objects.note)
    return objects.boxes(drawing, factor)
