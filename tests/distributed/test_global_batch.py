"""The same global batch on another number of ranks is the same training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from advent_dist.config.override import override
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.training.global_batch import for_ranks
from advent_dist.training.meter import Meter
from tests.helpers import random_batch, run_ranks, tiny_experiment

MICRO_BATCHES = 4
CHANGES = {
    # Without BatchNorm; the paper's optimiser, since AdamW would blow up rounding near 0.
    "model.encoder": "test_vit",
    "model.output_stride": 16,
    "optimizer.segmenter": "sgd",
    "data.source_size": (64, 64),
    "data.target_size": (64, 64),
    "data.batch_size_per_rank": 2,
    "run.global_batch_size": 2 * MICRO_BATCHES,
}


def _train(
    world: World, changes: dict[str, Any]
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """The mean losses of each step, and all weights after the last."""
    asked = override(tiny_experiment("streets_advent"), {**CHANGES, **changes})
    experiment = for_ranks(asked, world.size)
    method = build_method(experiment, world, torch.full((19,), 1 / 19))
    meter, losses = Meter(world), []
    for step in range(3):
        for micro in range(experiment.engine.gradient_accumulation_steps):
            seed = MICRO_BATCHES * step + micro * world.size + world.rank
            batch = random_batch(seed)
            meter.add(step, batch, method.step(batch))
        row = meter.read()
        losses.append({key: value for key, value in row.items() if key.startswith("loss/")})
    weights = {
        f"{name}.{key}": value
        for name, engine in method.engines.items()
        for key, value in engine.weights().items()
    }
    return losses, weights


@pytest.mark.parametrize("changes", [{"engine.kind": "local"}, {"engine.zero_stage": 2}])
def test_one_rank_by_four_is_two_by_two(changes: dict[str, Any]) -> None:
    (one_losses, one), *_ = run_ranks(_train, 1, changes)
    (two_losses, two), *_ = run_ranks(_train, 2, changes)
    (four_losses, four), *_ = run_ranks(_train, 4, changes)
    assert one_losses[0]["loss/seg"] > 0.5
    for losses, weights in ((two_losses, two), (four_losses, four)):
        for row, expected in zip(losses, one_losses, strict=True):
            assert row == pytest.approx(expected, rel=1e-5)
        assert weights.keys() == one.keys()
        for key, value in one.items():
            difference = (weights[key] - value).norm() / value.norm().clamp(min=1e-12)
            assert difference <= 1e-5, f"{key}: {difference:.2e}"
