"""What recomputing activations saves of the card's memory, and what it costs."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.clock import Clock
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.held import at_most
from benchmarks.gpu_checks.published import full_batch, method_of

_AGAIN = {"engine__activation_checkpointing": True}
_WAYS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "cheap": {**_AGAIN, "engine__recomputed": "cheap"},
    "all": _AGAIN,
}


def check(world: World, scale: float) -> Found:
    """Peak memory and time of a step in the paper's full setting."""
    batch, clock = full_batch(scale).to(world.device), Clock(world.device)
    seconds, peaks = {}, {}
    for name, changes in _WAYS.items():
        method = method_of(world, "bf16", engine__kind="local", **changes)
        seconds[name] = clock.seconds(
            {name: partial(method.step, batch)}, 5 if world.device.type == "cuda" else 1
        )[name]
        peaks[name] = at_most(world.device, partial(method.step, batch)) / 1e9
        del method
        if world.device.type == "cuda":
            torch.cuda.empty_cache()
    said = [f"{name} {seconds[name]:.3f} s {peaks[name]:.2f} GB" for name in _WAYS]
    ratios = {}
    for name in ("cheap", "all"):
        ratios[f"memory of a step, {name} recomputed / nothing"] = peaks[name] / peaks["nothing"]
        ratios[f"time of a step, {name} recomputed / nothing"] = seconds[name] / seconds["nothing"]
    return Found(
        said=", ".join(said),
        numbers={f"GB, {name}": peak for name, peak in peaks.items()}
        | {f"seconds, {name}": taken for name, taken in seconds.items()},
        ratios=ratios,
    )
