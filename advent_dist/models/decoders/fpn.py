"""A light feature pyramid, for small encoders."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advent_dist.models.decoders.base import Decoder
from advent_dist.models.decoders.resize import resize_to

_WIDTH = 128


class FPNDecoder(Decoder):
    """A 1x1 convolution a level, their sum at the finest, and one 3x3 (arXiv 1612.03144, reduced).

    Args:
        channels: of each feature map.
        num_classes: C.
        width: channels of the sum; 128 by default.
    """

    pyramid = True

    def __init__(self, channels: Sequence[int], num_classes: int, width: int | None) -> None:
        super().__init__()
        width = width or _WIDTH
        self.lateral = nn.ModuleList(nn.Conv2d(one, width, kernel_size=1) for one in channels)
        self.smooth = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.out = nn.Conv2d(width, num_classes, kernel_size=1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits at the resolution of the finest features."""
        finest, *others = (
            lateral(level) for lateral, level in zip(self.lateral, features, strict=True)
        )
        total = finest
        for level in others:
            total = total + resize_to(level, finest)
        logits: Tensor = self.out(self.smooth(total))
        return logits
