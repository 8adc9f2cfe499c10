"""What turns a segmenter's features into those of another encoder (VFM-UDA++, arXiv 2503.10685)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from advent_dist.models.decoders.upscaling import LayerNorm2d


class DistillationHead(nn.Module):
    """Two 1x1 convolutions, four times as wide between as the features that come in.

    Parameters are named as in the published code.

    Args:
        channels: of the features that come in.
        wanted: of those that they are compared with.
    """

    def __init__(self, channels: int, wanted: int) -> None:
        super().__init__()
        self.feat_project = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, kernel_size=1),
            LayerNorm2d(4 * channels, eps=1e-6),
            nn.GELU(),
            nn.Conv2d(4 * channels, wanted, kernel_size=1),
        )

    def forward(self, features: Float[Tensor, "n c i j"]) -> Float[Tensor, "n d i j"]:
        """The features at their own resolution."""
        projected: Tensor = self.feat_project(features)
        return projected
