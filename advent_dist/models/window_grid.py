"""Overlapping windows over images as one batch, in operations that torch.export can follow."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from advent_dist.config import Size


class WindowGrid:
    """The windows of `sliding.windows_over`, as the rows and the columns that they cover.

    All of them are in memory at a time, and their number may follow from the size of the images.

    Args:
        images: n, height and width of them.
        window: width, height; where images have less, a window is as large as that.
        stride: to the right, and down.
        device: where the images are.
    """

    def __init__(
        self, images: tuple[int, int, int], window: Size, stride: Size, device: torch.device
    ) -> None:
        self.images = images
        # The last window, which ends with the image, lies over the others that cover a place.
        self.most = (-(-window[0] // stride[0]) + 1, -(-window[1] // stride[1]) + 1)
        self.rows = _places(images[1], window[1], stride[1], device)
        self.columns = _places(images[2], window[0], stride[0], device)

    def in_cells_of(self, pixels: int) -> WindowGrid:
        """The same windows on a map, a cell of which stands for so many pixels a side.

        They and the images have sides that are multiples of that, and so have the windows' places.
        """
        cells = copy.copy(self)
        n, height, width = self.images
        cells.images = n, height // pixels, width // pixels
        # Not laid out anew: their number would be another formula of the images' size.
        cells.rows = self.rows[:, ::pixels] // pixels
        cells.columns = self.columns[:, ::pixels] // pixels
        return cells

    def cut(self, values: Shaped[Tensor, "n c h w"]) -> Shaped[Tensor, "k c i j"]:
        """What lies in the windows, of all values; k is their number times n, windows first."""
        (down, height), (across, width) = self.rows.shape, self.columns.shape
        chosen = values.index_select(2, self.rows.flatten())
        chosen = chosen.index_select(3, self.columns.flatten())
        n, channels = self.images[0], values.shape[1]
        parts = chosen.reshape(n, channels, down, height, across, width)
        parts = parts.permute(2, 4, 0, 1, 3, 5)
        return parts.reshape(down * across * n, channels, height, width)

    def averaged(self, pieces: Float[Tensor, "k c i j"]) -> Float[Tensor, "n c h w"]:
        """The mean at each place over the windows that it lies in.

        Args:
            pieces: of all windows, in the order of `cut`.
        """
        (down, height), (across, width) = self.rows.shape, self.columns.shape
        n, channels = self.images[0], pieces.shape[1]
        parts = pieces.reshape(down, across, n, channels, height, width)
        parts = parts.permute(2, 3, 0, 4, 1, 5)
        flat = parts.reshape(n, channels, down * height, across * width)
        total, rows = _at_places(flat, 2, self.rows, self.images[1], self.most[1])
        total, columns = _at_places(total, 3, self.columns, self.images[2], self.most[0])
        return total / (rows[:, None] * columns)


def _places(side: int, window: int, stride: int, device: torch.device) -> Int64[Tensor, "k i"]:
    """The places along a side that each window covers; the last window ends with it."""
    # Not `min`, which a program would keep as a formula of the size, and in all layers.
    window = window if window <= side else side
    # One at least: a program that was made for larger images would find nothing in smaller ones.
    number = max(1, (side - window + stride - 1) // stride + 1)
    starts = (torch.arange(number, device=device) * stride).clamp(max=side - window)
    # Such a program fails at smaller ones, where a window reaches over the border.
    return starts.clamp(min=0)[:, None] + torch.arange(window, device=device)


def _at_places(
    values: Float[Tensor, ...], dim: int, places: Int64[Tensor, "k i"], side: int, most: int
) -> tuple[Float[Tensor, ...], Float[Tensor, " side"]]:
    """Values along a dimension summed at their places, of which there are `side`.

    Each place looks for its values, of at most so many windows. Were each value added where it
    belongs, onnxruntime's threads would lose some, and a GPU's add them in any order.

    Returns:
        the sums, and of how many values each is.
    """
    number, window = places.shape
    starts, here = places[:, 0], torch.arange(side, device=places.device)
    # Windows that lie in front of a place wholly.
    first = (starts + window <= here[:, None]).sum(1)
    total, counts = torch.zeros((), device=places.device), torch.zeros_like(here)
    across = [-1 if at == dim else 1 for at in range(values.dim())]
    for later in range(most):
        which = (first + later).clamp(max=number - 1)
        within = here - starts[which]
        inside = (first + later < number) & (within >= 0)
        index = which * window + within.clamp(min=0)
        found = values.index_select(dim, index)
        total = total + found.where(inside.reshape(across), 0)
        counts = counts + inside
    return total, counts.to(values.dtype)
