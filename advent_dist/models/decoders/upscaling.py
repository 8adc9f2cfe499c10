"""VFM-UDA's head for plain transformers: patches become four times as many pixels a side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.models.decoders.base import Decoder


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel, of [n, d, h, w]."""

    def forward(self, features: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """The same shape."""
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class UpscalingDecoder(Decoder):
    """Two transposed convolutions on the deepest features (VFM-UDA, arXiv 2406.09896, section 3).

    Parameters are named as in the published code.

    Args:
        channels: of each feature map; only the last map is read.
        num_classes: C.
        width: channels after the second convolution; a quarter of the features' by default.
    """

    pyramid = False

    def __init__(self, channels: Sequence[int], num_classes: int, width: int | None) -> None:
        super().__init__()
        deep = channels[-1]
        width = width or deep // 4
        self.upscale = nn.Sequential(
            nn.ConvTranspose2d(deep, 2 * width, kernel_size=2, stride=2, bias=False),
            LayerNorm2d(2 * width, eps=1e-6),
            nn.GELU(),
            nn.ConvTranspose2d(2 * width, width, kernel_size=2, stride=2, bias=False),
            LayerNorm2d(width, eps=1e-6),
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(width, eps=1e-6),
        )
        self.out = nn.Conv2d(width, num_classes, kernel_size=1, bias=False)
        torch.nn.init.normal_(self.out.weight, std=0.1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits at four times the resolution of the deepest features."""
        logits: Tensor = self.out(self.upscale(features[-1]))
        return logits
