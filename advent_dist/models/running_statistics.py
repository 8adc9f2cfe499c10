"""BatchNorm's running statistics, left alone by a forward pass in training mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """The BatchNorm layers of a network or of a part of it."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


@contextmanager
def kept_statistics(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Within, they normalise by the batch's statistics, and keep their running ones to the bit."""
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        # Momentum 0 keeps the running values. Untracking them would change what autograd saves, and
        # a second run of a checkpointed block must save the same.
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter
