"""One linear layer, as transformers are probed with."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advent_dist.models.decoders.base import Decoder


class LinearDecoder(Decoder):
    """A 1x1 convolution on the deepest features; it has no width (DINOv2, arXiv 2304.07193)."""

    pyramid = False
    align_corners = None

    def __init__(self, channels: Sequence[int], num_classes: int, width: int | None) -> None:
        super().__init__()
        self.out = nn.Conv2d(channels[-1], num_classes, kernel_size=1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits at the resolution of the deepest features."""
        logits: Tensor = self.out(features[-1])
        return logits
