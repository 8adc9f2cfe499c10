"""A small training in several ways, each of which is to have the same losses."""

from __future__ import annotations

import time
from dataclasses import replace

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.exactness import exactly, fp32_alone
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.small import STEPS, losses, off_by, within


def as_on_the_cpu(world: World, scale: float) -> Found:
    """The device trains as the CPU does."""
    exactly()
    cpu = losses(World(), engine__kind="local")
    return within(losses(world, engine__kind="local"), cpu, 1e-3)


def zero_stages(world: World, scale: float) -> Found:
    """DeepSpeed at ZeRO 0 to 3 trains as plain PyTorch does, on one rank."""
    exactly()
    plain = losses(world, engine__kind="local")
    found = [
        losses(world, engine__kind="deepspeed", engine__zero_stage=stage) for stage in range(4)
    ]
    worst = max(found, key=lambda one: off_by(one, plain))
    return within(worst, plain, 1e-4)


def bf16(world: World, scale: float) -> Found:
    """bf16 follows fp32, which it is to differ from."""
    exactly()
    plain = losses(world, engine__kind="local")
    rounded = losses(world, engine__kind="local", engine__precision="bf16")
    assert off_by(rounded, plain) > 0, "bf16 was not in use"
    return within(rounded, plain, 0.1)


def recomputed(world: World, scale: float) -> Found:
    """Activations that are computed again, all or what is cheap, change nothing."""
    exactly()
    plain = losses(world, engine__kind="local")
    saving = {"engine__kind": "local", "engine__activation_checkpointing": True}
    cheaply = losses(world, **saving, engine__recomputed="cheap")
    found = [losses(world, **saving), cheaply]
    return within(max(found, key=lambda one: off_by(one, plain)), plain, 1e-4)


def compiled(world: World, scale: float) -> Found:
    """`torch.compile` changes nothing but the rounding."""
    fp32_alone()
    plain = losses(world, engine__kind="local")
    begun = time.perf_counter()
    found = within(losses(world, engine__kind="local", engine__compile=True), plain, 1e-2)
    seconds = time.perf_counter() - begun
    return replace(
        found,
        said=f"{found.said}, {STEPS} steps and compiling took {seconds:.0f} s",
        numbers={**found.numbers, "steps_and_compiling_s": seconds},
    )
