"""How the models are executed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import require


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """How the models are executed and sharded."""

    kind: Literal["deepspeed", "local"] = "deepspeed"
    """`deepspeed`, or `local`: the plain PyTorch twin that it is tested against."""

    zero_stage: Literal[0, 1, 2, 3] = 0
    """ZeRO stage of the segmenter."""

    discriminator_zero_stage: Literal[0, 1, 2, 3] = 0
    """ZeRO stage of the discriminators; with 2.8 M parameters each, sharding them gains nothing."""

    zero3_persistence_threshold: int = 100_000
    """Parameters with fewer elements than this stay whole on every rank at ZeRO-3."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the forward passes; parameters, losses and entropies stay fp32."""

    tf32: bool = True
    """fp32's convolutions and matrix products may be rounded to TF32 on GPUs that have it, which is
    PyTorch's own way for convolutions; False: none is, in predictions and evaluations of the run
    neither. CPUs have none."""

    gradient_accumulation_steps: int = 1
    """Micro-batches whose gradients make one optimiser step."""

    gradient_clipping: float = 0.0
    """Largest gradient norm of each network; 0 does not clip."""

    activation_checkpointing: bool = False
    """Recompute the encoder's activations in the backward pass: less memory, more time."""

    recomputed: Literal["all", "cheap"] = "all"
    """What of them: `all`, or only what is `cheap`, norms, activation functions and sums, while the
    outputs of convolutions, matrix products and attention are kept."""

    compile: bool = False
    """Networks compiled by `torch.compile`, once for each shape that trains: minutes before the
    first step, for faster ones on GPUs. Evaluations run as written. Not with ZeRO-3, and not with
    model.detail_crop (HRDA), whose windows are drawn anew in each step."""

    deterministic: bool = False
    """Only algorithms that repeat to the bit on GPUs, too: slower there, and an error where PyTorch
    has none. CPUs repeat without it; there it changes no more than the last bits of a loss."""

    collective_timeout_s: float = 600.0
    """Seconds after which a collective that some rank never joined fails the run."""

    def __post_init__(self) -> None:
        steps = self.gradient_accumulation_steps
        require(steps >= 1, "engine.gradient_accumulation_steps", steps, "must be at least 1")
        require(
            0 <= self.gradient_clipping < math.inf,
            "engine.gradient_clipping",
            self.gradient_clipping,
            "must be 0 or more, and finite; 0 does not clip",
        )
        timeout = self.collective_timeout_s
        fix = "must be at least 1 second, and finite"
        require(1 <= timeout < math.inf, "engine.collective_timeout_s", timeout, fix)
        for name in ("zero_stage", "discriminator_zero_stage"):
            fix = "engine.compile needs whole parameters: set a stage below 3, or don't compile"
            require(
                not self.compile or getattr(self, name) < 3,
                f"engine.{name}",
                getattr(self, name),
                fix,
            )
        if self.recomputed == "cheap":
            fix = "says what of activation_checkpointing; switch that on, too"
            require(self.activation_checkpointing, "engine.recomputed", self.recomputed, fix)
            fix = "engine.compile chooses that by itself: set recomputed to all, or don't compile"
            require(not self.compile, "engine.recomputed", self.recomputed, fix)
        sharded = self.kind == "local" and (self.zero_stage or self.discriminator_zero_stage)
        require(
            not sharded, "engine.zero_stage", self.zero_stage, "only engine.kind=deepspeed shards"
        )
