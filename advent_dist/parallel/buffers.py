"""BatchNorm statistics under data parallelism: each rank has its own, evaluation pools them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from advent_dist.parallel.world import World


def _pool(layer: nn.Module, world: World) -> None:
    """Replace a BatchNorm layer's running mean and variance by those over all ranks' samples."""
    mean, var = layer.running_mean, layer.running_var
    if not isinstance(mean, Tensor) or not isinstance(var, Tensor):
        return
    together = world.sum(mean.clone()) / world.size
    # The spread between the ranks' means counts too. Not E[x^2] - E[x]^2: of a channel that hardly
    # varies, but far from 0, float32 would leave nothing, or less.
    var.copy_(world.sum(var + (mean - together) ** 2) / world.size)
    mean.copy_(together)


@contextmanager
def pooled_batch_norm(module: nn.Module, world: World) -> Iterator[None]:
    """BatchNorm statistics pooled over all ranks until the block ends. Collective.

    Each rank's own come back after: they are part of its training state, and putting the mean in
    their place for good would make a run depend on how often it is evaluated.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    own = [{name: buffer.clone() for name, buffer in layer.named_buffers()} for layer in layers]
    with torch.no_grad():
        for layer in layers:
            _pool(layer, world)
    try:
        yield
    finally:
        for layer, buffers in zip(layers, own, strict=True):
            for name, buffer in layer.named_buffers():
                buffer.copy_(buffers[name])


Buffers = Mapping[str, Tensor]
"""A module's buffers by name."""


def pooled(module: nn.Module, ranks: Sequence[Buffers]) -> dict[str, Tensor]:
    """What `pooled_batch_norm` makes of all ranks' buffers, from those that a checkpoint holds.

    Args:
        module: Whose buffers they are.
        ranks: The buffers of each rank.

    Returns:
        BatchNorm's statistics over all ranks' samples; of other buffers those of rank 0.
    """
    together = dict(ranks[0])
    for name, layer in module.named_modules():
        mean_name, var_name = f"{name}.running_mean", f"{name}.running_var"
        if isinstance(layer, _BatchNorm) and layer.track_running_stats:
            means = torch.stack([buffers[mean_name] for buffers in ranks])
            variances = torch.stack([buffers[var_name] for buffers in ranks])
            together[mean_name] = means.mean(0)
            spread = (means - together[mean_name]) ** 2
            together[var_name] = (variances + spread).mean(0)
    return together
