"""What copies to the device cost a step: pinned and asynchronous, or pageable and blocking."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from advent_dist.parallel.world import World
from advent_dist.types import DomainBatch
from benchmarks.gpu_checks.clock import Clock
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.published import full_batch, method_of

THERE, PINNED, PAGEABLE = "on the device", "pinned, asynchronous", "pageable, blocking"


def check(world: World, scale: float) -> Found:
    """Images a second of steps in a row, and seconds that the CPU waits for a copy."""
    method, clock = method_of(world, "bf16"), Clock(world.device)
    batch, steps = full_batch(scale), 10 if world.device.type == "cuda" else 1
    there = batch.to(world.device)
    pinned = _each(batch, torch.Tensor.pin_memory) if world.device.type == "cuda" else batch
    ways: dict[str, Callable[[], DomainBatch]] = {
        THERE: lambda: there,
        # As the loop does with the loader's batches.
        PINNED: lambda: pinned.to(world.device),
        PAGEABLE: lambda: _each(batch, lambda tensor: tensor.to(world.device)),
    }
    speeds, waits = {}, {}
    for _ in range(2):  # the first time is for warming up
        for name, way in ways.items():
            clock.wait()
            begun, waited = time.perf_counter(), 0.0
            for _ in range(steps):
                asked = time.perf_counter()
                moved = way()
                waited += time.perf_counter() - asked
                method.step(moved)
            clock.wait()
            speeds[name] = 2 * steps / (time.perf_counter() - begun)
            waits[name] = waited / steps
    said = ", ".join(f"{name} {speed:.1f}" for name, speed in speeds.items())
    return Found(
        said=f"{said} images/s",
        numbers={f"images/s, {name}": speed for name, speed in speeds.items()}
        | {f"CPU waits for a copy, ms, {name}": 1000 * wait for name, wait in waits.items()},
        ratios={
            f"images/s, bf16, {name} / {THERE}": speeds[name] / speeds[THERE]
            for name in (PINNED, PAGEABLE)
        },
    )


def _each(batch: DomainBatch, change: Callable[[torch.Tensor], torch.Tensor]) -> DomainBatch:
    return replace(
        batch,
        source_image=change(batch.source_image),
        source_label=change(batch.source_label),
        target_image=change(batch.target_image),
    )
