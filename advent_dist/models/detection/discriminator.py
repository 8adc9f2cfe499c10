"""A discriminator for maps as small as a detector's."""

from __future__ import annotations

from torch import nn

_SMALLEST = 4
"""Cells that a side keeps: from fewer, regions could not be told apart."""

_MOST = 4
"""As many convolutions ADVENT's has before the last one."""


class MapDiscriminator(nn.Sequential):
    """ADVENT's discriminator (section 4.1), as deep as a map has room for.

    Each convolution of kernel 4 and stride 2 halves the sides, as long as 4 cells are left of them:
    three for SSD-300's 38 x 38 cells, two for 19 x 19, one for 10 x 10. Smaller maps are seen by
    one of kernel 3 and stride 1. LeakyReLU lies between; the last one, of kernel 3, gives a logit a
    region, in which large means target.

    Args:
        channels: of the maps.
        height: of the maps, in cells.
        width: of the maps, in cells.
        base: channels of the first layer; each further one doubles them.
    """

    def __init__(self, channels: int, height: int, width: int, base: int = 64) -> None:
        side = min(height, width)
        strides: list[int] = []
        while side // 2 >= _SMALLEST and len(strides) < _MOST:
            strides.append(2)
            side //= 2
        layers: list[nn.Module] = []
        for number, stride in enumerate(strides or [1]):
            wider = base * 2**number
            kernel = 4 if stride == 2 else 3
            layers.append(nn.Conv2d(channels, wider, kernel, stride=stride, padding=1))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            channels = wider
        super().__init__(*layers, nn.Conv2d(channels, 1, 3, padding=1))
