"""Procedural street scenes with the 19 classes of Cityscapes: rendered, and as a camera sees them.

The streets of all looks are alike; what differs is the appearance. So another look stands to
`clean` as photographs stand to a game's frames: a domain gap, with labels on both sides.

    a street    street.py (the plan) frontage.py vehicles.py people.py furniture.py (what is in it)
    is drawn    drawing.py (camera, and which part is seen at each pixel) labels.py scenery.py
    and taken   materials.py looks.py (how it appears) photograph.py (the image) objects.py (boxes)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from advent_dist.data.box_arrays import BoxArrays
from advent_dist.errors import DataError
from shards.streets.looks import LOOKS
from shards.streets.objects import boxes_of_street
from shards.streets.photograph import photograph
from shards.streets.street import draw_street

__all__ = ["LOOKS", "boxes_of_scene", "scene"]

_FACTOR = 2
"""Scenes are drawn at twice their size, so that images are smooth; labels are sampled."""


def scene(
    seed: int, look: str, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Street number `seed` as it appears in `look`: a function of its arguments alone.

    Args:
        seed: Number of the street, 0 or more; the same street in every look.
        look: A name in `LOOKS`.
        size: Width, height in pixels.

    Returns:
        Image uint8 [height, width, 3], RGB; label uint8 [height, width], train ids 0..18 or 255.

    Raises:
        DataError: no such look.
    """
    if look not in LOOKS:
        raise DataError(f"look {look!r}: choose from {sorted(LOOKS)}")
    width, height = size
    drawing = draw_street(seed, _FACTOR * width, _FACTOR * height)
    rng = np.random.default_rng((seed, sorted(LOOKS).index(look)))
    image = photograph(drawing, LOOKS[look], rng, _FACTOR)
    classes = np.array([part.label for part in drawing.parts], np.uint8)
    return image, classes[drawing.index[_FACTOR // 2 :: _FACTOR, _FACTOR // 2 :: _FACTOR]]


def boxes_of_scene(seed: int, size: tuple[int, int]) -> BoxArrays:
    """The boxes of street number `seed`, of the classes cityscapes_boxes8: the same in every look.

    Args:
        seed: Number of the street, 0 or more.
        size: Width, height in pixels.
    """
    return boxes_of_street(seed, size, _FACTOR)
