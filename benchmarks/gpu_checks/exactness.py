"""What two trainings need in order to be equal."""

from __future__ import annotations

from advent_dist.parallel.tf32 import set_tf32
from advent_dist.training.determinism import set_deterministic


def fp32_alone() -> None:
    """No TF32, which PyTorch has convolutions take unless told not to."""
    set_tf32(False)


def exactly() -> None:
    """Neither TF32 nor sums in an order that differs from time to time; before CUDA is used."""
    fp32_alone()
    set_deterministic(True)
