"""DeepSpeed at every ZeRO stage trains as plain PyTorch does."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from advent_dist.config import EngineConfig
from advent_dist.config.override import override
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from tests.helpers import random_batch, run_ranks, tiny_experiment

STEPS = 5
PUBLISHED = {"optimizer.segmenter": "sgd", "optimizer.head_lr_multiplier": 10.0}
"""The paper's optimiser. AdamW divides each gradient by its own size, so where one is nearly 0, as
at the BatchNorm of a residual branch that starts at 0, it would blow up the rounding."""


def train_weights(world: World, engine: dict[str, Any], steps: int = STEPS) -> dict[str, Tensor]:
    """Every parameter of every network after a few AdvEnt steps, on rank 0."""
    experiment = override(tiny_experiment("streets_advent"), {**PUBLISHED, **engine})
    method = build_method(experiment, world, torch.full((19,), 1 / 19))
    accumulation = experiment.engine.gradient_accumulation_steps
    for step in range(steps):
        for name in method.engines:
            method.engines[name].set_lr_factor(1 - step / 10)
        for micro in range(accumulation):
            seed = (step * accumulation + micro) * world.size + world.rank
            method.step(random_batch(seed).to(world.device))
    return {
        f"{name}.{key}": value
        for name, engine in method.engines.items()
        for key, value in engine.weights().items()
        if key in dict(engine.module.named_parameters())
    }


@cache
def _local(steps: int = STEPS, **changes: Any) -> dict[str, Tensor]:
    """What plain PyTorch makes of it: every stage is held against the same."""
    weights, *_ = run_ranks(train_weights, 2, {"engine.kind": "local", **changes}, steps)
    return dict(weights)


def assert_same(
    local: dict[str, Tensor], sharded: dict[str, Tensor], tolerance: float = 1e-5
) -> None:
    assert local.keys() == sharded.keys()
    assert {key.split(".")[0] for key in local} == {
        "segmenter",
        "discriminator",
        "discriminator_aux",
    }
    for key, expected in local.items():
        difference = (sharded[key] - expected).norm() / expected.norm().clamp(min=1e-12)
        assert difference <= tolerance, f"{key}: {difference:.2e}"


def _compare(stage: int, changes: dict[str, Any], steps: int = STEPS) -> None:
    stages = {
        "engine.kind": "deepspeed",
        "engine.zero_stage": stage,
        "engine.discriminator_zero_stage": stage,
        # By default small networks would stay whole, and the test would prove nothing.
        "engine.zero3_persistence_threshold": 0,
    }
    local = _local(steps, **changes)
    sharded, *_ = run_ranks(train_weights, 2, {**stages, **changes}, steps)
    assert_same(local, sharded)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_stage(stage: int) -> None:
    _compare(stage, {})


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_bf16(stage: int) -> None:
    """Forward passes are rounded, but not the gradients on their way between ranks.

    The learning rate makes of the segmenter's weights what their gradients are. In a second step,
    one that differs in its last bit could be rounded to another bf16.
    """
    _compare(
        stage,
        {
            "engine.precision": "bf16",
            "engine.gradient_accumulation_steps": 2,
            "optimizer.segmenter_lr": 1e6,
        },
        steps=1,
    )


def test_adamw() -> None:
    """Plain PyTorch differs from itself by up to 3e-3 here, with and without oneDNN."""
    adamw = {"optimizer.segmenter": "adamw"}
    local = _local(**adamw)
    sharded, *_ = run_ranks(train_weights, 2, {"engine.zero_stage": 2, **adamw})
    assert_same(local, sharded, tolerance=1e-2)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_accumulation_and_clipping(stage: int) -> None:
    _compare(stage, {"engine.gradient_accumulation_steps": 2, "engine.gradient_clipping": 0.5})


def test_the_engines_config_matters() -> None:
    """Parity would hold trivially if clipping were ignored by both."""
    local, clipped = _local(), _local(**{"engine.gradient_clipping": 0.01})
    with pytest.raises(AssertionError, match=r"^(segmenter|discriminator).*: \d\.\d\de"):
        assert_same(local, clipped)


def test_config_is_complete() -> None:
    from advent_dist.parallel.deepspeed import deepspeed_config

    config = deepspeed_config(EngineConfig(), stage=1, batch_size_per_rank=2, trained=9)
    assert config["gradient_clipping"] == 0.0
    assert config["zero_optimization"]["stage"] == 1
