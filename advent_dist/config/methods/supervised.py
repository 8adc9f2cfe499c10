"""Supervised training on the source: of every method, and alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.weights import require_weights
from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig:
    """What every method has: the supervised loss on the source."""

    lambda_seg: float = 1.0
    """Weight of the cross entropy of the main head."""

    lambda_seg_aux: float = 0.1
    """Weight of the cross entropy of the auxiliary head."""

    logit_adjustment: float = 0.0
    """How much of the source's class frequencies its labels teach less (tau of arXiv 2007.07314,
    eq. 10): 0 all of it stays, as published by all methods here; 1 rare classes are found as if
    they were as frequent as others."""

    def __post_init__(self) -> None:
        require_weights(self)
        tau = self.logit_adjustment
        fix = "must be 0 or more, and finite; 1 makes up for all of the difference in frequency"
        require(0 <= tau < math.inf, "method.logit_adjustment", tau, fix)


@dataclass(frozen=True, kw_only=True)
class SourceOnlyConfig(SupervisedConfig):
    """Supervised training on the source alone: the baseline."""

    name: Literal["source_only"] = "source_only"
    """Key of the method."""
