"""Supervised training on the source: of every method, and alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.methods.weights import require_weights


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig:
    """What every method has: the supervised loss on the source."""

    lambda_seg: float = 1.0
    """Weight of the cross entropy of the main head."""

    lambda_seg_aux: float = 0.1
    """Weight of the cross entropy of the auxiliary head."""

    def __post_init__(self) -> None:
        require_weights(self)


@dataclass(frozen=True, kw_only=True)
class SourceOnlyConfig(SupervisedConfig):
    """Supervised training on the source alone: the baseline."""

    name: Literal["source_only"] = "source_only"
    """Key of the method."""
