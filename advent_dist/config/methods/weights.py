"""Weights of losses."""

from __future__ import annotations

import math

from advent_dist.config.require import require


def require_weights(method: object) -> None:
    """Refuse fields called `lambda_...` that weigh no loss.

    Raises:
        ConfigError: one is negative, or not finite.
    """
    for name, value in vars(method).items():
        if name.startswith("lambda_"):
            fix = "a loss weight must be 0 or more, and finite"
            require(0 <= value < math.inf, f"method.{name}", value, fix)
