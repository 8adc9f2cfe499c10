"""Learning rates over the steps of a run."""

from __future__ import annotations

from advent_dist.config import OptimizerConfig
from advent_dist.losses import poly_lr, warm_up


def lr_factor(step: int, optimizer: OptimizerConfig) -> float:
    """What every learning rate is multiplied with in a step.

    Args:
        step: Optimiser steps taken so far.
        optimizer: Its horizon, power and warm-up.
    """
    rise = optimizer.warmup_steps
    if optimizer.warmup_to == "rate" and step < rise:
        # A thousandth at first, all of it in the last step of the rise (VFM-UDA, arXiv 2406.09896).
        return 1e-3 + (1 - 1e-3) * step / max(rise - 1, 1)
    return poly_lr(1.0, step, optimizer.horizon, optimizer.power) * warm_up(step, rise)
