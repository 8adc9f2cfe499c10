"""A portion of all pixels has a label, those of highest probability (CBST's ST, arXiv 1810.07911).

Easy classes take nearly all of it, which is what `class_balanced` is there for.
"""

from __future__ import annotations

import torch
from torch import Tensor

from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.methods.pseudo_labels.labels import PseudoLabels, where_sure
from advent_dist.methods.pseudo_labels.ranking import Ranking, of_all_ranks
from advent_dist.parallel.world import World


def portion(probabilities: Tensor, config: SelfTrainingConfig, world: World) -> PseudoLabels:
    """The most probable classes of the surest `portion` of the pixels."""
    confidence, label = of_all_ranks(probabilities, world)
    ranking = Ranking.by_group(confidence, torch.zeros_like(label), groups=1)
    probability, own = probabilities.max(1)
    return where_sure(own, probability >= ranking.at_portion(config.portion), world)
