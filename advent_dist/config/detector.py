"""The network that detects boxes, in place of a segmenter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """The detector and the discriminators that look at its outputs."""

    detector: Literal["ssd300_vgg16", "ssdlite320_mobilenet_v3_large"] = "ssd300_vgg16"
    """The paper's SSD on VGG-16, or SSDlite on MobileNetV3, for CPUs; as torchvision has them."""

    weights: str | None = None
    """Initial weights: a local file (.pth, .safetensors) of the detector, of its backbone alone, or
    the folder of a run."""

    trained_blocks: int | None = None
    """So many of the backbone's blocks are trained, from the deepest on; none trains all."""

    discriminator_width: int = 64
    """Channels of a discriminator's first layer; each further one doubles them."""

    def __post_init__(self) -> None:
        width = self.discriminator_width
        require(width >= 1, "model.discriminator_width", width, "must be at least 1")
        trained = self.trained_blocks
        fix = "give a number of blocks, 0 or more"
        require(trained is None or trained >= 0, "model.trained_blocks", trained, fix)
