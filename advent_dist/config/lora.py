"""Low-rank adapters of an encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class LoRAConfig:
    """Small matrices that are trained beside an encoder's frozen ones (LoRA, arXiv 2106.09685)."""

    rank: int | None = None
    """Rank of each adapter, such as 8; none adds none, and trains the encoder itself. Needs
    `pip install 'advent-dist[lora]'`."""

    alpha: float = 16.0
    """An adapter's output counts alpha / rank times."""

    dropout: float = 0.0
    """Probability that an input of an adapter is dropped in training."""

    targets: tuple[str, ...] = ("qkv", "proj", "fc1", "fc2")
    """Names of the linear layers in the encoder's blocks that get one; by default those of timm's
    transformers: of attention, and the two after it."""

    def __post_init__(self) -> None:
        rank = self.rank
        require(rank is None or rank >= 1, "model.lora.rank", rank, "must be at least 1, or none")
        fix = "must be positive, and finite"
        require(0 < self.alpha < math.inf, "model.lora.alpha", self.alpha, fix)
        dropout = self.dropout
        require(0 <= dropout < 1, "model.lora.dropout", dropout, "give 0 <= value < 1")
        named = bool(self.targets) and all(self.targets)
        fix = "give names of layers, such as qkv proj"
        require(named, "model.lora.targets", self.targets, fix)
