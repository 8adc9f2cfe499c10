"""What `engine.compile` gains in the paper's full setting."""

from __future__ import annotations

import time
from functools import partial

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.clock import Clock
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.published import full_batch, method_of


def check(world: World, scale: float) -> Found:
    """Images a second in bf16, compiled and as written, and how long compiling takes."""
    batch = full_batch(scale).to(world.device)
    written = method_of(world, "bf16")
    compiled = method_of(world, "bf16", engine__compile=True)
    clock = Clock(world.device)
    begun = time.perf_counter()
    compiled.step(batch)
    clock.wait()
    first = time.perf_counter() - begun
    steps = {
        "as written": partial(written.step, batch),
        "compiled": partial(compiled.step, batch),
    }
    speeds = {name: 2 / taken for name, taken in clock.seconds(steps, rounds=10).items()}
    gained = speeds["compiled"] / speeds["as written"]
    said = ", ".join(f"{name} {speed:.1f}" for name, speed in speeds.items())
    return Found(
        said=f"{said} images/s; the first step took {first:.0f} s",
        numbers={f"images/s, {name}": speed for name, speed in speeds.items()}
        | {"first_step_s": first},
        ratios={"images/s, bf16, compiled / as written": gained},
    )
