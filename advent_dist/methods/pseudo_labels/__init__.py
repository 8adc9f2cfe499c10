"""What a teacher says of target images. A rule, of which pixels count and by how much, is a file.

`method.pseudo_labels` chooses one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.methods.pseudo_labels.class_balanced import class_balanced
from advent_dist.methods.pseudo_labels.class_capped import class_capped
from advent_dist.methods.pseudo_labels.confident import confident
from advent_dist.methods.pseudo_labels.labels import PseudoLabels
from advent_dist.methods.pseudo_labels.portion import portion
from advent_dist.methods.pseudo_labels.share import share
from advent_dist.parallel.world import World

Rule = Callable[[Tensor, SelfTrainingConfig, World], PseudoLabels]
"""(probabilities [n, C, h, w], config, world) -> labels and weights. Collective."""

RULES: dict[str, Rule] = {
    "share": share,
    "confident": confident,
    "portion": portion,
    "class_balanced": class_balanced,
    "class_capped": class_capped,
}
"""Name in the config -> rule."""


@torch.no_grad()
def pseudo_labels(
    probabilities: Float[Tensor, "n c h w"], config: SelfTrainingConfig, world: World
) -> PseudoLabels:
    """Labels and weights by the rule of the config. Collective.

    Args:
        probabilities: a teacher's softmax, float32, at the size of the images.
        config: the rule, its values, and the margins that are left out: they weigh nothing, and
            count among the pixels of a rule all the same, as published.
        world: whose pixels are looked at together: k ranks with b images each are one with k * b.
    """
    labels = RULES[config.pseudo_labels](probabilities, config, world)
    weight = labels.weight.clone()
    weight[:, : config.unlabelled_top] = 0
    weight[:, weight.shape[1] - config.unlabelled_bottom :] = 0
    weight[:, :, : config.unlabelled_left] = 0
    weight[:, :, weight.shape[2] - config.unlabelled_right :] = 0
    return labels._replace(weight=weight)


__all__ = ["RULES", "PseudoLabels", "pseudo_labels"]
