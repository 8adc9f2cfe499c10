"""A network that nothing trains, which methods compare the student with."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from advent_dist.config import EngineConfig
from advent_dist.models.segmenter import Segmenter
from advent_dist.parallel.engine import autocast
from advent_dist.parallel.world import World


@final
class Frozen:
    """The encoder of a segmenter, in evaluation mode and in the precision that engines train in.

    In another one, features of equal weights would lie apart by what is rounded.

    Args:
        segmenter: It is frozen; on its device.
        config: Of the engines, for their precision.
        world: This rank.
    """

    def __init__(self, segmenter: Segmenter, config: EngineConfig, world: World) -> None:
        self.module = segmenter.requires_grad_(False).eval()
        self._precision = config.precision
        self._world = world

    def __call__(self, images: Tensor) -> Tensor:
        """The deepest features [n, d, i, j] of images, RGB in 0..255 [n, 3, h, w]; no graph."""
        with torch.no_grad(), autocast(self._world.device, self._precision):
            features = self.module.network.encode(self.module.normalise(images))
        return features[-1]
