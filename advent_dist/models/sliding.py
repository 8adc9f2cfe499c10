"""Overlapping windows over images, and predictions averaged over those that a pixel lies in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from advent_dist.config import Size, Sliding
from advent_dist.models.upsampling import CoarseLogits

Segment = Callable[..., Any]
"""A segmenter or its engine; see `Segmenter.forward`."""


class Window(NamedTuple):
    """A part of an image, in pixels, or of a map, in its cells."""

    top: int
    left: int
    height: int
    width: int

    def of(self, values: Shaped[Tensor, "*n h w"]) -> Shaped[Tensor, "*n i j"]:
        """What lies in the window."""
        rows = slice(self.top, self.top + self.height)
        return values[..., rows, self.left : self.left + self.width]

    def pasted(
        self, values: Float[Tensor, "*n i j"], shape: tuple[int, int]
    ) -> Float[Tensor, "*n h w"]:
        """`values` in the window, and zeros around it.

        Args:
            values: of the window's own size.
            shape: height, width of all.
        """
        right = shape[1] - self.left - self.width
        return F.pad(values, (self.left, right, self.top, shape[0] - self.top - self.height))

    def in_cells_of(self, pixels: int) -> Window:
        """The window on a map, a cell of which stands for so many pixels a side."""
        return Window(*(value // pixels for value in self))


def windows_over(shape: tuple[int, int], window: Size, stride: Size) -> list[Window]:
    """Windows that cover all of an image, row by row; the last of a row ends with the image.

    Args:
        shape: height, width of the image.
        window: width, height; where the image has less, a window is as large as that.
        stride: to the right, and down.
    """
    height, width = min(window[1], shape[0]), min(window[0], shape[1])
    return [
        Window(top=top, left=left, height=height, width=width)
        for top in _starts(shape[0], height, stride[1])
        for left in _starts(shape[1], width, stride[0])
    ]


def _starts(side: int, window: int, stride: int) -> list[int]:
    return [min(start, side - window) for start in range(0, side - window + stride, stride)]


def averaged(
    pieces: Iterable[Float[Tensor, "n c i j"]],
    windows: Iterable[Window],
    shape: tuple[int, int],
) -> Float[Tensor, "n c h w"]:
    """The mean at each place over the windows that it lies in.

    Memory is that of the whole and of one piece, where `pieces` are made as they are asked for.

    Args:
        pieces: of each window.
        windows: that cover all.
        shape: height, width of all.
    """
    total = count = torch.empty(0)
    for number, (piece, window) in enumerate(zip(pieces, windows, strict=True)):
        if number == 0:
            total, count = piece.new_zeros(*piece.shape[:2], *shape), piece.new_zeros(shape)
        window.of(total).add_(piece)
        window.of(count).add_(1)
    return total.div_(count)


@torch.no_grad()
def slide(segment: Segment, images: Shaped[Tensor, "n 3 h w"], sliding: Sliding) -> CoarseLogits:
    """The mean of overlapping windows, each of which is segmented as an image of its own.

    One window of all images is segmented at a time. The logarithm of a mean probability is a logit
    of it: its softmax is the mean again.

    Args:
        segment: the model, in eval mode.
        images: RGB in 0..255.
        sliding: the windows.

    Returns:
        Logits of the main head, at the size of the images.
    """
    shape = (images.shape[2], images.shape[3])
    windows = windows_over(shape, sliding.window, sliding.stride)
    pieces = (segment(window.of(images)).main for window in windows)
    if sliding.average == "logits":
        return CoarseLogits(values=averaged(pieces, windows, shape), align_corners=False)
    mean = averaged((piece.softmax(1) for piece in pieces), windows, shape)
    return CoarseLogits.of_probabilities(mean)


def main_logits(
    segment: Segment,
    images: Shaped[Tensor, "n 3 h w"],
    size: tuple[int, int],
    sliding: Sliding | None,
) -> Float[Tensor, "n c i j"]:
    """Logits of the main head at a size = (height, width), in windows or of images as a whole."""
    if sliding is None:
        main: Tensor = segment(images, size).main
        return main
    return slide(segment, images, sliding).upsample(size)
