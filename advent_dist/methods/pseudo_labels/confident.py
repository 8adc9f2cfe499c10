"""Pixels that are sure enough have a label, the others none."""

from __future__ import annotations

from torch import Tensor

from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.methods.pseudo_labels.labels import PseudoLabels, where_sure
from advent_dist.parallel.world import World


def confident(probabilities: Tensor, config: SelfTrainingConfig, world: World) -> PseudoLabels:
    """The most probable class where its probability reaches `threshold`."""
    probability, label = probabilities.max(1)
    return where_sure(label, probability >= config.threshold, world)
