"""A portion of each class's pixels has a label (CBST, arXiv 1810.07911; CRST, arXiv 1908.09822)."""

from __future__ import annotations

from jaxtyping import Bool, Float, Integer
from torch import Tensor

from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.methods.pseudo_labels.labels import PseudoLabels, where_sure
from advent_dist.methods.pseudo_labels.ranking import Ranking, of_all_ranks
from advent_dist.parallel.world import World


def class_balanced(probabilities: Tensor, config: SelfTrainingConfig, world: World) -> PseudoLabels:
    """The most probable classes by thresholds that let the surest `portion` of each class through.

    A class that has too few pixels for that has the threshold 1.
    """
    confidence, label = of_all_ranks(probabilities, world)
    ranking = Ranking.by_group(confidence, label, groups=probabilities.shape[1])
    return where_sure(*by_thresholds(probabilities, ranking.at_portion(config.portion)), world)


def by_thresholds(
    probabilities: Float[Tensor, "n c h w"], thresholds: Float[Tensor, " c"]
) -> tuple[Integer[Tensor, "n h w"], Bool[Tensor, "n h w"]]:
    """The class of highest P_c / k_c (CBST, eq. 4), and whether that is 1 or more.

    It may be another one than the most probable class.

    Args:
        probabilities: P.
        thresholds: k, positive.
    """
    ratio, label = (probabilities / thresholds[:, None, None]).max(1)
    return label, ratio >= 1
