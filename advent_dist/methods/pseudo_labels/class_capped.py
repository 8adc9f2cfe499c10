"""The surest pixels of each class have a label, and whatever is sure (FDA, arXiv 2004.05498).

The published values are `portion` = 0.34 and `threshold` = 0.9.
"""

from __future__ import annotations

from torch import Tensor

from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.methods.pseudo_labels.labels import PseudoLabels, where_sure
from advent_dist.methods.pseudo_labels.ranking import Ranking, of_all_ranks
from advent_dist.parallel.world import World


def class_capped(probabilities: Tensor, config: SelfTrainingConfig, world: World) -> PseudoLabels:
    """The most probable class where it is among the surest `portion`, or reaches `threshold`."""
    confidence, label = of_all_ranks(probabilities, world)
    ranking = Ranking.by_group(confidence, label, groups=probabilities.shape[1])
    thresholds = ranking.above_portion(config.portion).clamp(max=config.threshold)
    probability, own = probabilities.max(1)
    return where_sure(own, probability >= thresholds[own], world)
