"""DeepSpeed at every ZeRO stage trains a detector as plain PyTorch does."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from torch import Tensor

from advent_dist.config import EngineConfig
from advent_dist.parallel.world import World
from tests.detection_helpers import detection_method, random_box_batch
from tests.helpers import run_ranks

STEPS = 5


def _train(world: World, name: str, engine: dict[str, Any]) -> dict[str, Tensor]:
    """Every parameter of every network after a few steps, on rank 0."""
    config = EngineConfig(gradient_accumulation_steps=2, **engine)
    method = detection_method(name, world, config, lr=0.01)
    for micro in range(2 * STEPS):
        method.step(random_box_batch(micro * world.size + world.rank))
    return {
        f"{name}.{key}": value
        for name, engine in method.engines.items()
        for key, value in engine.weights().items()
        if key in dict(engine.module.named_parameters())
    }


@cache
def _local(name: str) -> dict[str, Tensor]:
    weights, *_ = run_ranks(_train, 2, name, {"kind": "local"})
    return dict(weights)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_stage(stage: int) -> None:
    """The last pass goes through less of the network than the first: only chosen maps' classes."""
    engine = {"kind": "deepspeed", "zero_stage": stage, "zero3_persistence_threshold": 0}
    local = _local("detector_advent_minent")
    sharded, *_ = run_ranks(_train, 2, "detector_advent_minent", engine)
    assert local.keys() == sharded.keys()
    assert {key.split(".")[0] for key in local} == {"detector", "discriminator0", "discriminator1"}
    for key, expected in local.items():
        difference = (sharded[key] - expected).norm() / expected.norm().clamp(min=1e-12)
        assert difference <= 1e-5, f"{key}: {difference:.2e}"
