"""Whether a GPU may round fp32 to TF32, which has 10 bits of a value's 23, and is faster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def set_tf32(on: bool) -> None:
    """Allow this process TF32, or don't; CPUs have none.

    Args:
        on: of `engine.tf32`.
    """
    # By itself PyTorch takes it for convolutions alone.
    torch.backends.cudnn.allow_tf32 = on
    torch.backends.cuda.matmul.allow_tf32 = on


@contextmanager
def full_matrix_products() -> Iterator[None]:
    """For the time being matrix products of fp32 are of fp32: for what measures a network."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
