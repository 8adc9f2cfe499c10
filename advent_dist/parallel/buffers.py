"""BatchNorm statistics under data parallelism: each rank has its own, evaluation pools them."""

from __future__ import annotations

from collections.abc import Iterator
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
    # Var = E[x^2] - E[x]^2 over all ranks: the spread between the ranks' means counts too.
    square = world.sum(var + mean**2) / world.size
    pooled = world.sum(mean.clone()) / world.size
    mean.copy_(pooled)
    var.copy_(square - pooled**2)


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
