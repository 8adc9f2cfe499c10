"""Boxes drawn over a picture, in the colours of their classes; ignored ones crossed out."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.classes import Colour

_AROUND = (0, 0, 0)


def draw_boxes(picture: Image.Image, boxes: BoxArrays, palette: Sequence[Colour]) -> None:
    """Draw them.

    Args:
        picture: RGB; is drawn on.
        boxes: in its pixels.
        palette: one RGB colour a class.
    """
    pen = ImageDraw.Draw(picture)
    for edges, label, ignored in zip(boxes.xyxy.tolist(), boxes.label, boxes.ignore, strict=True):
        left, top, right, bottom = edges[0], edges[1], edges[2] - 1, edges[3] - 1
        inside = (left, top, max(left, right), max(top, bottom))
        pen.rectangle((inside[0] - 1, inside[1] - 1, inside[2] + 1, inside[3] + 1), outline=_AROUND)
        pen.rectangle(inside, outline=palette[label])
        if ignored:
            pen.line(inside, fill=palette[label])
