"""SSD's own random changes: an image seen from farther away, and parts of it that keep a box.

Source: Liu et al., SSD: Single Shot MultiBox Detector, sections 2.2 and 3.6. torchvision draws
them, from a generator that is the sample's own; here they are applied, at the size that is asked
for, so that no canvas of 16 times the image is ever made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from advent_dist.config import AugmentConfig, Size
from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.box_geometry import cut_boxes, resize_boxes
from advent_dist.data.resizing import resize_image

MEAN_COLOUR = (123, 117, 104)
"""RGB around an image that is seen from farther away: ImageNet's mean, as published."""

_LEAST_SIDE = 4
"""Pixels of an image that parts are cut from: 0.3 of fewer would be none."""


class View(NamedTuple):
    """The rectangle that is looked at, in pixels of the image; it may reach beyond it."""

    left: int
    top: int
    width: int
    height: int


def choose_view(
    size: Size, boxes: BoxArrays | None, config: AugmentConfig, rng: np.random.Generator
) -> View | None:
    """What is looked at of an image; None if the config changes nothing.

    Args:
        size: width, height of the image.
        boxes: its boxes. Of an image without any no part is cut: none could be kept.
        config: which changes there may be.
        rng: the sample's own generator, of which nothing is taken without any.
    """
    if not config.zoom_out and not config.iou_crop:
        return None
    view = View(0, 0, *size)
    # Always as many draws, so that one change does not alter what the other one draws.
    zooms, zoom_seed, part_seed = rng.integers(2**53, size=3).tolist()
    if zooms * 2.0**-53 < config.zoom_out:
        with _drawing_from(zoom_seed):
            view = _farther(view, config.zoom_out_side)
    if config.iou_crop and boxes is not None and boxes.num_boxes and min(size) >= _LEAST_SIDE:
        with _drawing_from(part_seed):
            view = _part(view, boxes)
    return view


def _farther(view: View, most: float) -> View:
    zoom_out = v2.RandomZoomOut(side_range=(1.0, most))
    left, top, right, bottom = zoom_out.make_params([_canvas(view)])["padding"]
    return View(-left, -top, left + view.width + right, top + view.height + bottom)


def _part(view: View, boxes: BoxArrays) -> View:
    edges = torch.from_numpy(boxes.xyxy) - torch.tensor([view.left, view.top] * 2)
    size = (view.height, view.width)
    there = tv_tensors.BoundingBoxes(edges, format="XYXY", canvas_size=size)
    part = v2.RandomIoUCrop().make_params([_canvas(view), there])
    if not part:
        return view
    left, top = view.left + part["left"], view.top + part["top"]
    return View(left, top, part["width"], part["height"])


def see(
    image: UInt8[Tensor, "3 h w"],
    boxes: BoxArrays | None,
    view: View,
    size: Size,
    recolour: Callable[[Tensor], Tensor],
) -> tuple[UInt8[Tensor, "3 i j"], BoxArrays | None]:
    """What a view shows of an image, resized, and the boxes that are in it.

    Args:
        image: uint8 [3, h, w].
        boxes: in its pixels, if it has any.
        view: shows some of the image at least; around that is `MEAN_COLOUR`.
        size: width, height of the result.
        recolour: changes the colours of what is seen, but not of what is around it.
    """
    height, width = image.shape[1:]
    left, top = max(view.left, 0), max(view.top, 0)
    right, bottom = min(view.left + view.width, width), min(view.top + view.height, height)
    columns = _placed(left - view.left, right - view.left, view.width, size[0])
    rows = _placed(top - view.top, bottom - view.top, view.height, size[1])
    shown = (columns[1] - columns[0], rows[1] - rows[0])
    seen = recolour(resize_image(image[:, top:bottom, left:right], shown))
    if boxes is not None:
        boxes = cut_boxes(boxes, view.left, view.top, (view.width, view.height))
        # By what was done to the pixels, whose edges are whole ones.
        boxes = cut_boxes(boxes, left - view.left, top - view.top, (right - left, bottom - top))
        boxes = resize_boxes(boxes, (right - left, bottom - top), shown)
        boxes = cut_boxes(boxes, -columns[0], -rows[0], size)
    if shown == size:
        return seen, boxes
    canvas = torch.empty(size[1], size[0], 3, dtype=torch.uint8)
    canvas[:] = torch.tensor(MEAN_COLOUR, dtype=torch.uint8)
    canvas = canvas.permute(2, 0, 1)
    canvas[:, rows[0] : rows[1], columns[0] : columns[1]] = seen
    return canvas, boxes


def _placed(start: int, stop: int, before: int, after: int) -> tuple[int, int]:
    """Where a stretch of a line of `before` pixels lies when that has `after`: a pixel at least."""
    first = min(round(start * after / before), after - 1)
    return first, min(max(round(stop * after / before), first + 1), after)


def _canvas(view: View) -> tv_tensors.Image:
    """An image of that size without memory: torchvision asks for the size alone."""
    return tv_tensors.Image(torch.empty(3, view.height, view.width, device="meta"))


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Have torch draw from `seed` on the CPU, and afterwards go on as if nothing was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
