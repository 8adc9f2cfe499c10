"""Optimisers and schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Optimisers and the polynomial schedule that both share."""

    segmenter: Literal["sgd", "adamw"] = "sgd"
    """Optimiser of the segmenter, or of the detector: SGD as in the paper, or AdamW, which
    transformers prefer."""

    segmenter_lr: float = 2.5e-4
    """Initial learning rate of the encoder."""

    head_lr_multiplier: float = 10.0
    """Learning rate of the heads over that of the encoder."""

    layer_decay: float = 1.0
    """Learning rate of a block of the encoder over that of the next deeper one (BEiT, VFM-UDA++:
    0.9); what comes before the first block counts as one more."""

    published_repeats: bool = False
    """Update the encoder of `deeplab_v2` three or four times a step, as the published code does
    (see repeated_sgd)."""

    momentum: float = 0.9
    """Momentum of SGD."""

    weight_decay: float = 5e-4
    """Weight decay of the segmenter."""

    discriminator_lr: float = 1e-4
    """Initial learning rate of the discriminators (Adam, no weight decay)."""

    discriminator_betas: tuple[float, float] = (0.9, 0.99)
    """Decay rates of Adam's two moments."""

    horizon: int = 250_000
    """Optimiser steps at which the schedule would reach 0; may lie beyond the run's last step."""

    power: float = 0.9
    """Exponent of the polynomial schedule."""

    warmup_steps: int = 0
    """Optimiser steps over which learning rates rise linearly."""

    warmup_to: Literal["schedule", "rate"] = "schedule"
    """What they rise to: the schedule, which falls meanwhile (DAFormer), or the rate itself, from
    which they drop to the schedule then (VFM-UDA)."""

    decay_norms: bool = True
    """Whether weight decay is for the encoder's normalisations and position embeddings, too."""

    def __post_init__(self) -> None:
        warmup = self.warmup_steps
        require(warmup >= 0, "optimizer.warmup_steps", warmup, "must be 0 or more")
        for name in ("segmenter_lr", "head_lr_multiplier", "discriminator_lr"):
            value = getattr(self, name)
            fix = "must be positive and finite"
            require(0 < value < math.inf, f"optimizer.{name}", value, fix)
        for name in ("weight_decay", "power"):
            value = getattr(self, name)
            fix = "must be 0 or more, and finite"
            require(0 <= value < math.inf, f"optimizer.{name}", value, fix)
        for name, values in (
            ("momentum", (self.momentum,)),
            ("discriminator_betas", self.discriminator_betas),
        ):
            fits = all(0 <= value < 1 for value in values)
            require(fits, f"optimizer.{name}", getattr(self, name), "give 0 <= value < 1")
        fix = "leave it True: with published_repeats all decays, as published"
        decay = self.layer_decay
        require(0 < decay <= 1, "optimizer.layer_decay", decay, "give a factor in (0, 1]")
        even = decay == 1 or not self.published_repeats
        repeats = "leave it 1: with published_repeats all of the encoder has one rate"
        require(even, "optimizer.layer_decay", decay, repeats)
        decays = self.decay_norms or not self.published_repeats
        require(decays, "optimizer.decay_norms", self.decay_norms, fix)
        require(self.horizon >= 1, "optimizer.horizon", self.horizon, "must be at least 1 step")
