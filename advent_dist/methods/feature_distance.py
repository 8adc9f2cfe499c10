"""The term of DAFormer: source features stay near those of the initial encoder (section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from advent_dist.config.methods.daformer import FeatureDistanceConfig
from advent_dist.losses import at_least_fp32
from advent_dist.methods.frozen import Frozen
from advent_dist.parallel.world import World
from advent_dist.types import IGNORE_INDEX


@final
class FeatureDistance:
    """Mean distance of the deepest features where a chosen class fills them.

    Args:
        initial: the segmenter before training.
        num_classes: C.
        config: classes and share.
        world: the mean is over the features of all ranks, some of which may have none.
    """

    def __init__(
        self, initial: Frozen, num_classes: int, config: FeatureDistanceConfig, world: World
    ) -> None:
        self._initial = initial
        self._num_classes = num_classes
        self._chosen = _chosen(config.fd_classes or range(num_classes), world.device)
        self._min_share = config.fd_min_share
        self._world = world

    def __call__(
        self,
        features: Float[Tensor, "n d i j"],
        images: Tensor,
        labels: UInt8[Tensor, "n h w"],
    ) -> Float[Tensor, ""]:
        """The distance as this rank's part: its mean over the ranks is the mean over all features.

        Collective.

        Args:
            features: the student's, of `images`.
            images: of the source, RGB in 0..255 [n, 3, h, w].
            labels: theirs.
        """
        first = self._initial(images)
        height, width = features.shape[2:]
        coarse = main_class(labels, self._num_classes, (height, width), self._min_share)
        held = self._chosen[coarse.long()]
        total, count = feature_distance(features, first, held)
        everywhere = self._world.sum(count.clone())
        return total * self._world.size / everywhere.clamp(min=1)


def _chosen(classes: Sequence[int], device: torch.device) -> Bool[Tensor, " 256"]:
    """Of each value of a label, whether it is one of the classes: made once, on the device."""
    chosen = torch.zeros(IGNORE_INDEX + 1, dtype=torch.bool)
    chosen[list(classes)] = True
    return chosen.to(device)


def main_class(
    labels: UInt8[Tensor, "n h w"], num_classes: int, size: tuple[int, int], min_share: float
) -> UInt8[Tensor, "n i j"]:
    """The class that fills each cell of a coarse grid; 255 where none does, or the void.

    Args:
        labels: train ids or 255.
        num_classes: C.
        size: rows and columns of the grid.
        min_share: the share of a cell's pixels that its most frequent class must have.
    """
    values = torch.where(labels < num_classes, labels, num_classes).long()
    one_hot = F.one_hot(values, num_classes + 1).permute(0, 3, 1, 2).float()
    share, cell = F.adaptive_avg_pool2d(one_hot, size).max(1)
    filled = (share >= min_share) & (cell < num_classes)
    return torch.where(filled, cell, IGNORE_INDEX).to(torch.uint8)


def feature_distance(
    features: Float[Tensor, "n d i j"],
    others: Float[Tensor, "n d i j"],
    held: Bool[Tensor, "n i j"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Sum of the Euclidean distances over the channels where `held`, and how many these are.

    Returns:
        The sum, with a gradient to `features` that is 0 where they are equal, and the count.
    """
    difference = at_least_fp32(features) - at_least_fp32(others)
    distance = torch.linalg.vector_norm(difference, dim=1)
    return torch.where(held, distance, 0.0).sum(), held.sum().to(distance.dtype)
