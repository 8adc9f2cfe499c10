"""The losses of small trainings, to be held to each other."""

from __future__ import annotations

from typing import Any

import torch

from advent_dist.config.override import override
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from benchmarks.gpu_checks.found import Found
from tests.helpers import random_batch, tiny_experiment

STEPS = 20
_PUBLISHED = {"optimizer.segmenter": "sgd", "optimizer.head_lr_multiplier": 10.0}
"""AdamW would divide gradients that are nearly 0 by their own size."""


def losses(world: World, **changes: Any) -> torch.Tensor:
    """The losses of AdvEnt's first steps on noise, float64 [steps, losses]."""
    paths = {name.replace("__", "."): value for name, value in changes.items()}
    chosen = override(tiny_experiment("streets_advent"), {**_PUBLISHED, **paths})
    method = build_method(chosen, world, torch.full((19,), 1 / 19))
    rows = []
    for step in range(STEPS):
        metrics = method.step(random_batch(step).to(world.device))
        rows.append(torch.stack([value.double().cpu() for value in metrics.values()]))
    return torch.stack(rows)


def off_by(found: torch.Tensor, expected: torch.Tensor) -> float:
    """How far losses differ, at most, relative to the expected ones."""
    return float(((found - expected).abs() / expected.abs().clamp(min=1e-3)).max())


def within(found: torch.Tensor, expected: torch.Tensor, most: float) -> Found:
    """That losses differ by no more.

    Raises:
        AssertionError: they do, or are not finite.
    """
    off = off_by(found, expected)
    assert off <= most, f"losses differ by {off:.1e}, and {most:g} at most are allowed"
    return Found(
        said=f"losses differ by {off:.0e}",
        numbers={"losses_differ_by": off, "allowed": most, "steps": len(found)},
    )
