"""A training that was stopped and went on, and one that was not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.exactness import fp32_alone
from benchmarks.gpu_checks.found import Found
from tests.distributed.test_resume import final_state, train_through
from tests.helpers import write_tiny_shards


def check(world: World, scale: float) -> Found:
    """Four steps, and two and two, from shards, end with equal checkpoints at ZeRO 0 and 2."""
    fp32_alone()
    compared = 0
    with tempfile.TemporaryDirectory() as folder:
        root = f"{folder}/data"
        write_tiny_shards(root)
        for stage in (0, 2):
            engine = {"engine__deterministic": True, "engine__zero_stage": stage}
            through, halves = Path(folder, f"through{stage}"), Path(folder, f"halves{stage}")
            train_through(world, root, str(through), None, engine)
            train_through(world, root, str(halves), None, {**engine, "run__steps": 2})
            train_through(world, root, str(halves), str(halves / "2"), engine)
            compared += _equal(final_state(through / "4"), final_state(halves / "4"))
    return Found(said=f"{compared} tensors equal to the bit", numbers={"tensors": compared})


def _equal(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> int:
    """How many there are, all equal."""
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), f"{name} differs after going on"
    return len(expected)
