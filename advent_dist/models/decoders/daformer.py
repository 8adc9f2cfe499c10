"""DAFormer's decoder: context-aware fusion of all levels (arXiv 2111.14887, section 3.2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.models.decoders.parts import ConvBNReLU
from advent_dist.models.decoders.segformer import SegFormerDecoder

_DILATIONS = (1, 6, 12, 18)


class DAFormerDecoder(SegFormerDecoder):
    """Each level embedded, brought to the finest one's size, fused with dilated convolutions.

    Parameters are named as in the published code.

    Args:
        channels: of each feature map.
        num_classes: C.
        width: channels of each level's embedding and of the fusion; 256 by default, as published.
    """

    def _fusion(self, joined_width: int, width: int) -> nn.Module:
        return Fusion(joined_width, width)


class SeparableConv(nn.Sequential):
    """A dilated 3x3 convolution of each channel alone, then a 1x1 over all of them."""

    def __init__(self, in_channels: int, width: int, dilation: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvBNReLU(
            in_channels, in_channels, 3, dilation=dilation, groups=in_channels
        )
        self.pointwise_conv = ConvBNReLU(in_channels, width, 1)


class Fusion(nn.Module):
    """Parallel convolutions of four dilations, as in ASPP but separable and without pooling."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.aspp_modules = nn.ModuleList(
            ConvBNReLU(in_channels, width, 1)
            if dilation == 1
            else SeparableConv(in_channels, width, dilation)
            for dilation in _DILATIONS
        )
        self.bottleneck = ConvBNReLU(len(_DILATIONS) * width, width, 3)

    def forward(self, features: Float[Tensor, "n d h w"]) -> Float[Tensor, "n e h w"]:
        """[n, width, h, w]."""
        fused: Tensor = self.bottleneck(
            torch.cat([branch(features) for branch in self.aspp_modules], 1)
        )
        return fused
