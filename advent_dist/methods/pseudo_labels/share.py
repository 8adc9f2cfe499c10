"""Every pixel has a label, which weighs as much as the batch is sure (DACS, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.methods.pseudo_labels.labels import PseudoLabels, share_of
from advent_dist.parallel.world import World


def share(probabilities: Tensor, config: SelfTrainingConfig, world: World) -> PseudoLabels:
    """The most probable classes; each weighs the share of pixels that reach `threshold`."""
    probability, label = probabilities.max(1)
    sure = share_of(probability >= config.threshold, world)
    weight = sure.expand(label.shape)
    return PseudoLabels(label=label.to(torch.uint8), weight=weight, sure=sure)
