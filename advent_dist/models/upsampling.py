"""Logits at a network's own resolution, and their way to an image's: at once or in bands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class CoarseLogits:
    """What a head makes of images, before it is upsampled."""

    values: Float[Tensor, "n c i j"]
    """fp32 or fp64 [n, C, i, j]: entropies are taken from what is upsampled, under autocast too."""

    align_corners: bool
    """How they lie on the image; see `Network.align_corners`."""

    @classmethod
    def of_probabilities(cls, values: Float[Tensor, "n c h w"]) -> CoarseLogits:
        """Logits whose softmax they are; changes them in place.

        Args:
            values: of a whole image, so that align_corners makes no difference at its own size.
        """
        # Finite where a probability is 0: what is upsampled would not be a number.
        smallest = torch.finfo(values.dtype).tiny
        return cls(values=values.clamp_(min=smallest).log_(), align_corners=False)

    def of_image(self, number: int) -> CoarseLogits:
        """Those of one of the images."""
        return replace(self, values=self.values[number : number + 1])

    def upsample(self, size: tuple[int, int]) -> Float[Tensor, "n c h w"]:
        """Bilinear logits [n, C, h, w].

        Args:
            size: height, width.
        """
        return self._interpolate(self.values, size)

    def bands(self, size: tuple[int, int], rows: int) -> Iterator[Float[Tensor, "n c _ w"]]:
        """The rows of `upsample(size)` from top to bottom, as [n, C, at most rows, w] at a time.

        They differ by rounding at most, and on a CPU not even by that, but where PyTorch has other
        arithmetic: for `values` of one row or channels last in memory, and for h + w <= 128.
        Memory is that of one band and of the coarse rows that it lies in.

        Args:
            size: height, width.
            rows: how many at a time.
        """
        height, width = size
        above, below, share_above, share_below = self._neighbours(self.values.shape[2], height)
        for start in range(0, height, rows):
            band = slice(start, start + rows)
            first, last = int(above[band][0]), int(below[band][-1])
            coarse = self.values[:, :, first : last + 1].contiguous()
            wide = self._interpolate(coarse, (last + 1 - first, width))
            lower = wide[:, :, below[band] - first] * share_below[band]
            # One rounding less than a product and a sum, just as in the whole interpolation.
            yield torch.addcmul(lower, wide[:, :, above[band] - first], share_above[band])

    def _neighbours(
        self, coarse_rows: int, height: int
    ) -> tuple[Int64[Tensor, " h"], Int64[Tensor, " h"], Tensor, Tensor]:
        """For each of `height` rows its two coarse rows, and the share [h, 1] of each in it."""
        # PyTorch's own, by interpolating what has a 1 in one coarse row and a 0 in all others.
        units = torch.eye(coarse_rows, dtype=self.values.dtype, device=self.values.device)
        shares = self._interpolate(units[None, None], (height, coarse_rows))[0, 0]
        above = (shares != 0).int().argmax(1)
        # After the last coarse row comes none, with no share.
        padded = F.pad(shares, (0, 1))
        share_above, share_below = (padded.gather(1, (above + k)[:, None]) for k in (0, 1))
        return above, (above + 1).clamp(max=coarse_rows - 1), share_above, share_below

    def _interpolate(self, values: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(values, size=size, mode="bilinear", align_corners=self.align_corners)
