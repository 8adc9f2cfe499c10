"""Activation checkpointing: blocks forget their activations and run again in the backward pass.

Running a block twice would let its BatchNorm layers take in the same batch twice. The second run
therefore normalises with the batch's statistics as the first did, but leaves the running ones
alone. timm's own switch does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from advent_dist.errors import ConfigError
from advent_dist.models.blocks import blocks_of
from advent_dist.models.running_statistics import batch_norms, kept_statistics


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
    norms = batch_norms(module)
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
    return nullcontext(), kept_statistics(norms)
