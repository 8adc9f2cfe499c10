"""The paper's full setting: its network, its images, its step by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import torch

from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.parallel.tf32 import set_tf32
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.training.determinism import set_deterministic
from advent_dist.types import DomainBatch
from benchmarks.pipelines.step import ByHand

Precision = Literal["fp32", "TF32", "bf16"]
SOURCE, TARGET = (1280, 720), (1024, 512)
"""Width, height."""


def take_precision(precision: Precision) -> str:
    """Have PyTorch compute so, and as fast as a training; what `engine.precision` is then."""
    set_deterministic(False)
    tf32 = precision != "fp32"
    set_tf32(tf32)
    return "bf16" if precision == "bf16" else "fp32"


def method_of(world: World, precision: Precision, **changes: Any) -> Any:
    """AdvEnt as the paper trains it, from random weights."""
    values = {name.replace("__", "."): value for name, value in changes.items()}
    chosen = override(
        experiment("gta5_cityscapes_advent"),
        {
            "engine.precision": take_precision(precision),
            "model.weights": None,
            "optimizer.published_repeats": False,
            **values,
        },
    )
    return build_method(chosen, world, torch.full((19,), 1 / 19))


def by_hand(world: World, precision: Precision) -> Callable[[DomainBatch], object]:
    """The published loop, in bf16 by autocast around it."""
    method = method_of(world, precision, engine__kind="local", engine__precision="fp32")
    step = ByHand(*(engine.module for engine in method.engines.values()))
    rounded = precision == "bf16"

    def take(batch: DomainBatch) -> None:
        with torch.autocast(world.device.type, torch.bfloat16, enabled=rounded):
            step(batch)

    return take


def full_batch(scale: float, *, channels_last: bool = True) -> DomainBatch:
    """One image of each domain on the CPU, noise.

    Args:
        scale: factor of their sides.
        channels_last: as `data.loader` hands out images, channels being neighbours in memory.
    """
    random = torch.Generator().manual_seed(1)

    def pixels(size: tuple[int, int], channels: int, below: int) -> torch.Tensor:
        width, height = (round(side * scale) for side in size)
        shape = (1, height, width, channels)
        return torch.randint(0, below, shape, generator=random, dtype=torch.uint8)

    batch = DomainBatch(
        source_image=pixels(SOURCE, 3, 256).permute(0, 3, 1, 2),
        source_label=pixels(SOURCE, 1, 19)[..., 0],
        target_image=pixels(TARGET, 3, 256).permute(0, 3, 1, 2),
    )
    if channels_last:
        return batch
    return replace(
        batch,
        source_image=batch.source_image.contiguous(),
        target_image=batch.target_image.contiguous(),
    )
