"""The networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The segmenter and the discriminators that look at its outputs."""

    encoder: str = "deeplab_v2"
    """`deeplab_v2`: the paper's DeepLab-v2 on a Caffe-style ResNet-101. Else the name of any timm
    model with features."""

    pretrained: bool = False
    """Download timm's pretrained weights of the encoder."""

    weights: str | None = None
    """Initial weights: a local file (.pth, .safetensors), or `pip:PACKAGE` for the one that an
    installed package ships."""

    multi_level: bool = True
    """Add an auxiliary head on the second-deepest features, with a discriminator of its own."""

    output_stride: Literal[8, 16, 32] = 8
    """Input pixels per pixel of the deepest features of a timm CNN (others keep their own)."""

    discriminator_width: int = 64
    """Channels of a discriminator's first layer; each of the next three doubles them."""

    def __post_init__(self) -> None:
        width = self.discriminator_width
        require(width >= 1, "model.discriminator_width", width, "must be at least 1")
        both = self.pretrained and self.weights is not None
        require(
            not both, "model.weights", self.weights, "give either weights or pretrained, not both"
        )
