"""The discriminator that tells source from target self-information maps."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.errors import ConfigError

_MIN_SIDE = 32


class Discriminator(nn.Sequential):
    """Five convolutions of kernel 4 and stride 2, LeakyReLU between (ADVENT, section 4.1).

    Its parameters are named as in the published code ("0.weight", "2.weight", ...).

    Args:
        num_classes: C, channels of the maps.
        width: channels of the first layer; each of the next three doubles them.
    """

    def __init__(self, num_classes: int, width: int = 64) -> None:
        widths = (num_classes, width, 2 * width, 4 * width, 8 * width)
        layers: list[nn.Module] = []
        for in_channels, out_channels in pairwise(widths):
            layers.append(nn.Conv2d(in_channels, out_channels, 4, stride=2, padding=1))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        super().__init__(*layers, nn.Conv2d(8 * width, 1, 4, stride=2, padding=1))

    def forward(self, information: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 i j"]:
        """One logit a region; large means target.

        Args:
            information: self-information maps [n, C, h, w], each side at least 32 pixels.

        Raises:
            ConfigError: the maps are so small that nothing would be left of them.
        """
        height, width = information.shape[2:]
        if min(height, width) < _MIN_SIDE:
            raise ConfigError(
                f"data.source_size, data.target_size: a discriminator got {width} x {height} "
                f"pixels; width and height must be at least {_MIN_SIDE}"
            )
        for layer in self:
            information = layer(information)
        return information
