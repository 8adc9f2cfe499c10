"""`engine.deterministic`: a training twice, to the bit."""

from __future__ import annotations

import torch

from advent_dist.parallel.world import World
from advent_dist.training.determinism import set_deterministic
from benchmarks.gpu_checks.found import Found
from benchmarks.gpu_checks.small import losses


def check(world: World, scale: float) -> Found:
    """Two trainings have equal losses; says whether they also have without the switch."""
    # As `train_rank` does at the start of a run.
    set_deterministic(True)
    first, second = losses(world), losses(world)
    assert torch.equal(first, second), "two trainings differ, whose algorithms are deterministic"
    set_deterministic(False)
    without = torch.equal(losses(world), losses(world))
    said = "equal losses; without the switch " + ("equal, too" if without else "they differ")
    return Found(said=said, numbers={"steps": len(first), "equal_without": float(without)})
