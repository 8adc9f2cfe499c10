"""Activation checkpointing: blocks forget their activations and run again in the backward pass.

Running a block twice would let its BatchNorm layers take in the same batch twice. The second run
therefore normalises with the batch's statistics as the first did, but leaves the running ones
alone. timm's own switch does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import UnionType

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from advent_dist.errors import ConfigError


def checkpoint_blocks(network: nn.Module) -> None:
    """Make every block of `network` recompute its activations in the backward pass, from now on.

    Outputs, gradients and BatchNorm statistics stay as they were; parameter names too.

    Raises:
        ConfigError: the network has no blocks to tell apart.
    """
    blocks = list(_blocks(network, nn.Sequential | nn.ModuleList))
    # Some of timm's feature networks hold their stages by name instead.
    blocks = blocks or list(_blocks(network, nn.ModuleDict))
    if not blocks:
        raise ConfigError(
            "engine.activation_checkpointing = True: this encoder has no repeated blocks to "
            "checkpoint; switch it off or choose another model.encoder"
        )
    for block in blocks:
        norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
        # On the instance: names stay, and so do the hooks of engines, which fire around `forward`.
        block.forward = partial(
            checkpoint,
            block.forward,
            use_reentrant=False,
            context_fn=partial(_first_and_second_run, norms),
        )


def _blocks(module: nn.Module, row: UnionType | type) -> Iterator[nn.Module]:
    """A network's blocks: the outermost modules in a `row` that have parts and are no row."""
    for child in module.children():
        has_parts = next(child.children(), None) is not None
        if isinstance(module, row) and has_parts and not isinstance(child, row):
            yield child
        else:
            yield from _blocks(child, row)


def _first_and_second_run(
    norms: list[_BatchNorm],
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _frozen_statistics(norms)


@contextmanager
def _frozen_statistics(norms: list[_BatchNorm]) -> Iterator[None]:
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # Momentum 0 keeps the running values to the bit. Untracking them would change what
        # autograd saves, and the second run must save the same.
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter
