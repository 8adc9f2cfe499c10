"""The optimisers of the paper, from their config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from advent_dist.config import OptimizerConfig


def segmenter_optimizer(
    groups: Mapping[str, list[nn.Parameter]], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """SGD or AdamW over the parameter groups `encoder` and `heads`, the heads at a higher rate."""
    lr = config.segmenter_lr
    parameters = [
        {"params": groups["encoder"], "lr": lr},
        {"params": groups["heads"], "lr": lr * config.head_lr_multiplier},
    ]
    if config.segmenter == "adamw":
        return torch.optim.AdamW(parameters, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        parameters, momentum=config.momentum, weight_decay=config.weight_decay
    )


def discriminator_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """Adam without weight decay."""
    return torch.optim.Adam(
        parameters, lr=config.discriminator_lr, betas=config.discriminator_betas
    )
