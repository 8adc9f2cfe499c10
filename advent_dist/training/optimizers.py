"""The optimisers of the paper, from their config."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from advent_dist.config import OptimizerConfig
from advent_dist.errors import ConfigError
from advent_dist.models.blocks import layers_of
from advent_dist.models.deeplab_v2 import DeepLabV2, published_repeats
from advent_dist.models.detector import Detector
from advent_dist.models.segmenter import Segmenter
from advent_dist.training.repeated_sgd import RepeatedSGD

_NORMS = (nn.LayerNorm, nn.GroupNorm, _BatchNorm, nn.InstanceNorm2d, nn.RMSNorm)
_POSITION = "pos"
"""In the names that timm gives to embeddings and tables of positions, and in no others."""


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
    return _optimizer([*_encoder_groups(segmenter, config), heads], config)


def _encoder_groups(segmenter: Segmenter, config: OptimizerConfig) -> list[dict[str, Any]]:
    """What of the encoder is trained, by learning rate and weight decay; the deepest first."""
    network = segmenter.network
    layers = layers_of(network, network.heads)
    spared = set[int]() if config.decay_norms else _norms_and_positions(segmenter)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    for number, layer in enumerate(layers):
        scale = config.layer_decay ** (len(layers) - 1 - number)
        for parameter in layer:
            if parameter.requires_grad:
                groups[scale, id(parameter) in spared].append(parameter)
    return [
        {
            "params": parameters,
            "lr": config.segmenter_lr * scale,
            "weight_decay": 0.0 if is_spared else config.weight_decay,
        }
        for (scale, is_spared), parameters in sorted(groups.items(), key=_deepest_first)
    ]


def _deepest_first(group: tuple[tuple[float, bool], Any]) -> tuple[float, bool]:
    (scale, is_spared), _ = group
    return -scale, is_spared


def _norms_and_positions(network: nn.Module) -> set[int]:
    """Ids of the parameters of normalisation layers and of position embeddings and tables."""
    norms = {
        id(parameter)
        for module in network.modules()
        if isinstance(module, _NORMS)
        for parameter in module.parameters(recurse=False)
    }
    positions = {id(p) for name, p in network.named_parameters() if _POSITION in name}
    return norms | positions


def detector_optimizer(detector: Detector, config: OptimizerConfig) -> torch.optim.Optimizer:
    """SGD or AdamW over the backbone and, at a higher learning rate, what else there is."""
    spared = set[int]() if config.decay_norms else _norms_and_positions(detector)
    lr = config.segmenter_lr
    rates = {"encoder": lr, "heads": lr * config.head_lr_multiplier}
    groups = [
        {
            "params": [one for one in parameters if (id(one) in spared) == is_spared],
            "lr": rates[name],
            "weight_decay": 0.0 if is_spared else config.weight_decay,
        }
        for name, parameters in detector.parameter_groups().items()
        for is_spared in (False, True)
    ]
    return _optimizer([group for group in groups if group["params"]], config)


def head_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """The same over a network beside the segmenter that learns as fast as the heads."""
    return _optimizer(
        [{"params": list(parameters), "lr": config.segmenter_lr * config.head_lr_multiplier}],
        config,
    )


def _optimizer(groups: list[dict[str, Any]], config: OptimizerConfig) -> torch.optim.Optimizer:
    if config.segmenter == "adamw":
        return torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    return torch.optim.SGD(groups, momentum=config.momentum, weight_decay=config.weight_decay)


def discriminator_optimizer(
    parameters: Iterable[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """Adam without weight decay."""
    return torch.optim.Adam(
        parameters, lr=config.discriminator_lr, betas=config.discriminator_betas
    )
