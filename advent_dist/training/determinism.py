"""Whether PyTorch may take algorithms that do not repeat to the bit, as it does on GPUs."""

from __future__ import annotations

import os

import torch


def set_deterministic(on: bool) -> None:
    """Allow this process deterministic algorithms only, or any again.

    To be called before CUDA is used. An operation that has none raises PyTorch's RuntimeError,
    which names it.

    Args:
        on: of `engine.deterministic`.
    """
    if on:
        # cuBLAS reads it when it is first used; another one is the user's (`cluster.environment`).
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Which algorithm is fastest is measured once for each shape, of which a training has a few, and
    # is not the same each time.
    torch.backends.cudnn.benchmark = not on
    torch.use_deterministic_algorithms(on)
