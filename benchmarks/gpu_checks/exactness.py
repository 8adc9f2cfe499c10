"""What two trainings need in order to be equal."""

from __future__ import annotations

import torch

from advent_dist.training.determinism import set_deterministic


def fp32_alone() -> None:
    """No TF32, which PyTorch has convolutions take unless told not to."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def exactly() -> None:
    """Neither TF32 nor sums in an order that differs from time to time; before CUDA is used."""
    fp32_alone()
    set_deterministic(True)
