"""What the decoders that fuse all levels are put together from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.models.decoders.resize import resize_to


class Embedding(nn.Module):
    """A linear layer on each pixel's channels; no norm, no activation."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, width)

    def forward(self, features: Float[Tensor, "n d h w"]) -> Float[Tensor, "n e h w"]:
        """[n, width, h, w]."""
        embedded: Tensor = self.proj(features.permute(0, 2, 3, 1))
        return embedded.permute(0, 3, 1, 2)


class ConvBNReLU(nn.Sequential):
    """A convolution without bias, BatchNorm, ReLU, named as in the published code."""

    def __init__(
        self, in_channels: int, width: int, kernel: int, *, dilation: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(
            in_channels,
            width,
            kernel,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(width)
        self.activate = nn.ReLU(inplace=True)


def joined(layers: Iterable[nn.Module], features: Sequence[Tensor]) -> Float[Tensor, "n d h w"]:
    """Each level through its layer, brought to the finest one's size, one behind the other.

    Args:
        layers: one a level.
        features: [n, channels, h, w] each, the finest first.
    """
    finest = features[0]
    return torch.cat(
        [resize_to(layer(level), finest) for layer, level in zip(layers, features, strict=True)], 1
    )


def classifier(width: int, num_classes: int) -> nn.Conv2d:
    """A linear layer on each pixel, drawn as the published decoders draw their last one."""
    layer = nn.Conv2d(width, num_classes, kernel_size=1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
