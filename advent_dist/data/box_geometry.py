"""What becomes of boxes where their image is resized, cut or mirrored.

A box whose centre is cut off goes with it, others are clipped (SSD, section 2.2).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from advent_dist.config import Size
from advent_dist.data.box_arrays import BoxArrays


def resize_boxes(boxes: BoxArrays, before: Size, after: Size) -> BoxArrays:
    """The boxes of an image that is resized.

    Args:
        boxes: in pixels of the image as it was.
        before: its width, height.
        after: its new width, height.
    """
    if before == after:
        return boxes
    factor = [after[0] / before[0], after[1] / before[1]] * 2
    return _within(boxes, boxes.xyxy.astype(np.float64) * factor, after)


def cut_boxes(boxes: BoxArrays, left: int, top: int, size: Size) -> BoxArrays:
    """The boxes of a part of their image, or of more than it.

    Args:
        boxes: in pixels of the image.
        left: first column of the part; less than 0 is beside the image.
        top: its first row.
        size: its width, height.
    """
    moved = boxes.xyxy.astype(np.float64) - [left, top] * 2
    centre = (moved[:, :2] + moved[:, 2:]) / 2
    stays = np.all((centre > 0) & (centre < size), axis=1)
    return _within(boxes.chosen(stays), moved[stays], size)


def mirror_boxes(boxes: BoxArrays, width: int) -> BoxArrays:
    """The boxes of an image of that width whose left becomes its right."""
    mirrored = boxes.xyxy.copy()
    mirrored[:, [0, 2]] = width - boxes.xyxy[:, [2, 0]]
    return boxes._replace(xyxy=mirrored)


def _within(boxes: BoxArrays, edges: npt.NDArray[np.float64], size: Size) -> BoxArrays:
    """The boxes with other edges, clipped; without those of which float32 leaves no area."""
    clipped = edges.clip(0, np.array(size * 2)).astype(np.float32)
    there = np.all(clipped[:, 2:] > clipped[:, :2], axis=1)
    return boxes._replace(xyxy=clipped).chosen(there)
