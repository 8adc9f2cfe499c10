"""HRDA: context at half of the resolution, detail at all of it (arXiv 2204.13132, section 3).

The context is the whole image. In training the detail is one window of it, drawn anew in each
forward pass; else it is all windows, which overlap. One encoder and one decoder look at both, and
attention says for each class and place how much the detail counts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.config import Size
from advent_dist.errors import ConfigError
from advent_dist.losses import at_least_fp32
from advent_dist.models.decoders.segformer import SegFormerDecoder
from advent_dist.models.network import Detail, Network, NetworkOutput, SingleScale
from advent_dist.models.sliding import Window
from advent_dist.models.window_grid import WindowGrid

_DETAIL, MULTIPLE = 4, 8
"""Pixels a side that a logit of the detail and one of the context stand for: both sides of images
are multiples of the latter."""


class HRDANetwork(Network):
    """A network of one resolution, made to look twice.

    Args:
        single: that network.
        attention: reads its features: how much the detail counts, a logit a class and place.
        detail_crop: width, height in pixels of the windows; multiples of 8.
    """

    align_corners = False

    def __init__(self, single: SingleScale, attention: SegFormerDecoder, detail_crop: Size) -> None:
        super().__init__()
        self.single = single
        self.scale_attention = attention
        self.detail_crop = detail_crop

    def forward(self, image: Float[Tensor, "n 3 h w"]) -> NetworkOutput:
        """Fused logits at a quarter of the resolution, and in training those of the detail.

        Raises:
            ConfigError: a side is no multiple of 8.
        """
        height, width = image.shape[2:]
        if height % MULTIPLE or width % MULTIPLE:
            raise ConfigError(
                f"images of {width}x{height}: with model.detail_crop both sides must be multiples "
                f"of {MULTIPLE}; see data.source_size, data.augment.crop and data.evaluation_window"
            )
        grid = (height // MULTIPLE, width // MULTIPLE)
        features = self.encode(image)
        context = self._at(self.single.decode(features)[1], grid)
        attention = self._at(self.scale_attention(features), grid).sigmoid()
        quarter = (height // _DETAIL, width // _DETAIL)
        detail = None
        if self.training:
            window = draw_window((height, width), self.detail_crop)
            logits = self._see(window.of(image))
            detail = Detail(logits, window)
            cells = window.in_cells_of(MULTIPLE)
            attention = cells.pasted(cells.of(attention), grid)
            seen = window.in_cells_of(_DETAIL).pasted(logits, quarter)
        else:
            seen = self._all_windows(image)
        return NetworkOutput(None, fuse(context, attention, seen), features, detail)

    def encode(self, image: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """The context's features."""
        height, width = image.shape[2:]
        half = F.interpolate(
            image, size=(height // 2, width // 2), mode="bilinear", align_corners=False
        )
        return self.single.encode(half)

    @property
    def heads(self) -> list[nn.Module]:
        """The network's own, and the attention."""
        return [*self.single.heads, self.scale_attention]

    def _all_windows(self, image: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c i j"]:
        """Logits of windows that overlap by half, averaged."""
        n, _, height, width = image.shape
        across, down = self.detail_crop
        stride = (across // 2, down // 2)
        grid = WindowGrid((n, height, width), (across, down), stride, image.device)
        return grid.in_cells_of(_DETAIL).averaged(self._see(grid.cut(image)))

    def _see(self, parts: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c i j"]:
        """Logits of windows, which go through the network as one batch."""
        size = (parts.shape[2] // _DETAIL, parts.shape[3] // _DETAIL)
        return self._at(self.single.decode(self.single.encode(parts))[1], size)

    def _at(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Logits of any decoder at the size of those that it was published with, in fp32."""
        logits = at_least_fp32(logits)
        if logits.shape[2:] == size:
            return logits
        aligned = self.single.align_corners
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=aligned)


def draw_window(shape: tuple[int, int], crop: Size) -> Window:
    """A window of an image at random, on a grid of 8 pixels.

    As published, the grid's last place along a side is not among those that are drawn.

    Args:
        shape: height, width of the image.
        crop: width, height of the window; where the image has less, it is as large as that.
    """
    height, width = min(crop[1], shape[0]), min(crop[0], shape[1])
    # On the CPU, which nobody has to wait for.
    top, left = (
        MULTIPLE * int(torch.randint(places(side, part), (), device="cpu"))
        for side, part in ((shape[0], height), (shape[1], width))
    )
    return Window(top=top, left=left, height=height, width=width)


def places(side: int, window: int) -> int:
    """How many places along a side a window is drawn from, 8 pixels apart."""
    return max(1, (side - window + 1) // MULTIPLE)


def fuse(
    context: Float[Tensor, "n c i j"],
    attention: Float[Tensor, "n c i j"],
    detail: Float[Tensor, "n c h w"],
) -> Float[Tensor, "n c h w"]:
    """Logits of both resolutions as one; h = 2 i, w = 2 j.

    Args:
        context: logits.
        attention: in 0..1, and 0 where there is no detail.
        detail: logits, 0 where there are none. Attention reaches over their border by its
            upsampling, and weighs these zeros there, as published.
    """
    return _twice((1 - attention) * context) + _twice(attention) * detail


def _twice(values: Tensor) -> Tensor:
    return F.interpolate(values, scale_factor=2, mode="bilinear", align_corners=False)
