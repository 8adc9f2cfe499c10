"""The optimisers of the paper, from their config."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from advent_dist.config import OptimizerConfig
from advent_dist.errors import ConfigError
from advent_dist.models.deeplab_v2 import DeepLabV2, published_repeats
from advent_dist.models.segmenter import Segmenter
from advent_dist.training.repeated_sgd import RepeatedSGD


def segmenter_optimizer(segmenter: Segmenter, config: OptimizerConfig) -> torch.optim.Optimizer:
    """SGD or AdamW over the encoder and, at a higher learning rate, the heads.

    Raises:
        ConfigError: `published_repeats` is asked for with another network or optimiser.
    """
    groups, lr = segmenter.parameter_groups(), config.segmenter_lr
    heads = {"params": groups["heads"], "lr": lr * config.head_lr_multiplier}
    if config.published_repeats:
        if config.segmenter != "sgd" or not isinstance(segmenter.network, DeepLabV2):
            raise ConfigError(
                "optimizer.published_repeats = True: only the paper's network has them "
                "(model.encoder = deeplab_v2 with optimizer.segmenter = sgd); set it to False"
            )
        encoder = [
            {"params": parameters, "lr": lr, "repeats": repeats}
            for repeats, parameters in published_repeats(segmenter.network).items()
        ]
        return RepeatedSGD(
            [*encoder, {**heads, "repeats": 1}],
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
    parameters = [{"params": groups["encoder"], "lr": lr}, heads]
    if config.segmenter == "adamw":
        return torch.optim.AdamW(parameters, weight_decay=config.weight_decay)
    return torch.optim.SGD(parameters, momentum=config.momentum, weight_decay=config.weight_decay)


def discriminator_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """Adam without weight decay."""
    return torch.optim.Adam(
        parameters, lr=config.discriminator_lr, betas=config.discriminator_betas
    )
