"""Activation checkpointing: blocks forget their activations and run again in the backward pass.

All of a block runs again, or what of it is cheap: norms, activation functions and sums, which are
up to half of what a network remembers and little of its time. What convolutions, matrix products
and attention gave is kept then. (Selective activation recomputation: Korthikanti et al.,
"Reducing Activation Recomputation in Large Transformer Models", 2022.)

Running a block twice would let its BatchNorm layers take in the same batch twice. The second run
therefore normalises with the batch's statistics as the first did, but leaves the running ones
alone. timm's own switch does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

from advent_dist.errors import ConfigError
from advent_dist.models.blocks import blocks_of
from advent_dist.models.running_statistics import batch_norms, kept_statistics

Recomputed = Literal["all", "cheap"]
"""What of a block is computed again."""

_ATEN = torch.ops.aten
_DEAR = [
    _ATEN.convolution.default,
    _ATEN.mm.default,
    _ATEN.addmm.default,
    _ATEN.bmm.default,
    _ATEN.baddbmm.default,
    _ATEN._scaled_dot_product_flash_attention.default,
    _ATEN._scaled_dot_product_flash_attention_for_cpu.default,
    _ATEN._scaled_dot_product_efficient_attention.default,
    _ATEN._scaled_dot_product_cudnn_attention.default,
]
"""What is kept where only what is cheap is computed again."""


def checkpoint_blocks(network: nn.Module, recomputed: Recomputed = "all") -> None:
    """Make every block of `network` recompute its activations in the backward pass, from now on.

    Outputs, gradients and BatchNorm statistics stay as they were; parameter names too.

    Args:
        network: With blocks.
        recomputed: `all` of a block, or what is `cheap`.

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
        checkpoint_module(block, recomputed)


def checkpoint_module(module: nn.Module, recomputed: Recomputed = "all") -> None:
    """Make a module recompute its activations in the backward pass, from now on."""
    norms = batch_norms(module)
    if recomputed == "cheap":
        for part in module.modules():
            # What is kept has to stay as it was.
            if getattr(part, "inplace", False):
                part.inplace = False  # type: ignore[assignment]
    # On the instance: names stay, and so do the hooks of engines, which fire around `forward`.
    module.forward = partial(
        checkpoint,
        module.forward,
        use_reentrant=False,
        context_fn=partial(_CONTEXTS[recomputed], norms),
    )


def checkpoint_pieces(
    row: nn.Sequential, starts: Sequence[int], recomputed: Recomputed = "all"
) -> None:
    """The same for a long row of small layers, which remembers what goes into each piece of it.

    Args:
        row: its layers' names stay.
        starts: places of the pieces' first layers; the first is 0.
        recomputed: `all` of a piece, or what is `cheap`.
    """
    pieces = [row[start:stop] for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    for piece in pieces:
        checkpoint_module(piece, recomputed)
    row.forward = partial(_through, pieces)  # type: ignore[method-assign]


def _through(pieces: Sequence[nn.Module], features: Tensor) -> Tensor:
    for piece in pieces:
        features = piece(features)
    return features


Contexts = tuple[AbstractContextManager[None], AbstractContextManager[None]]


def _all_again(norms: list[_BatchNorm]) -> Contexts:
    return nullcontext(), kept_statistics(norms)


def _cheap_again(norms: list[_BatchNorm]) -> Contexts:
    first, second = create_selective_checkpoint_contexts(_DEAR)  # type: ignore[no-untyped-call]
    return first, _both(second, kept_statistics(norms))


@contextmanager
def _both(
    outer: AbstractContextManager[None], inner: AbstractContextManager[None]
) -> Iterator[None]:
    with outer, inner:
        yield


_CONTEXTS = {"all": _all_again, "cheap": _cheap_again}
