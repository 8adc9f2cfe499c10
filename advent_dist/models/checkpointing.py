"""Activation checkpointing: blocks forget their activations and run again in the backward pass.

Running a block twice would let its BatchNorm layers take in the same batch twice. The second run
therefore normalises with the batch's statistics as the first did, but leaves the running ones
alone. timm's own switch does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from advent_dist.errors import ConfigError
from advent_dist.models.blocks import blocks_of


def checkpoint_blocks(network: nn.Module) -> None:
    """Make every block of `network` recompute its activations in the backward pass, from now on.

    Outputs, gradients and BatchNorm statistics stay as they were; parameter names too.

    Raises:
        ConfigError: the network has no blocks to tell apart.
    """
    blocks = blocks_of(network)
    if not blocks:
        raise ConfigError(
            "engine.activation_checkpointing = True: this encoder has no repeated blocks to "
            "checkpoint; switch it off or choose another model.encoder"
        )
    for block in blocks:
        checkpoint_module(block)


def checkpoint_module(module: nn.Module) -> None:
    """Make a module recompute its activations in the backward pass, from now on."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    # On the instance: names stay, and so do the hooks of engines, which fire around `forward`.
    module.forward = partial(
        checkpoint,
        module.forward,
        use_reentrant=False,
        context_fn=partial(_first_and_second_run, norms),
    )


def checkpoint_pieces(row: nn.Sequential, starts: Sequence[int]) -> None:
    """The same for a long row of small layers, which remembers what goes into each piece of it.

    Args:
        row: its layers' names stay.
        starts: places of the pieces' first layers; the first is 0.
    """
    pieces = [row[start:stop] for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    for piece in pieces:
        checkpoint_module(piece)
    row.forward = partial(_through, pieces)  # type: ignore[method-assign]


def _through(pieces: Sequence[nn.Module], features: Tensor) -> Tensor:
    for piece in pieces:
        features = piece(features)
    return features


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
