"""LoRA adapters under every engine, on two ranks: they train alike, and go on to the bit."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from advent_dist.config import Experiment, MICConfig
from advent_dist.config.override import override
from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.methods.base import Method
from advent_dist.parallel.world import World
from advent_dist.training import checkpoint
from advent_dist.training.assembly import build_method
from advent_dist.training.progress import Progress
from advent_dist.types import DomainBatch
from tests.helpers import random_batch, run_ranks, tiny_experiment

Kept = dict[str, Tensor]


def _experiment(stage: int | None) -> Experiment:
    """MIC with teacher, feature distance and hidden patches."""
    chosen = override(
        tiny_experiment("streets_source_only"),
        {
            "data.target_size": (64, 64),
            "model.encoder": "test_vit",
            "model.decoder": "linear",
            "model.multi_level": False,
            "model.lora.rank": 4,
            "optimizer.segmenter": "adamw",
            "engine.kind": "local" if stage is None else "deepspeed",
            "engine.zero_stage": stage or 0,
            # By default small networks would stay whole, and the test would prove nothing.
            "engine.zero3_persistence_threshold": 0,
        },
    )
    model = replace(chosen.model, mask_token=True)
    return replace(chosen, model=model, method=MICConfig(threshold=0.06, lambda_fd=1.0))


def _batch(world: World, step: int) -> DomainBatch:
    batch = random_batch(2 * step + world.rank)
    return replace(batch, target_image=batch.target_image[..., :64])


def _kept(method: Method) -> Kept:
    """Weights of the student, on rank 0, and of the teacher."""
    teacher = method.kept["teacher"].module.named_parameters()
    student = method.engines["segmenter"].weights()
    return {f"teacher.{name}": value.detach() for name, value in teacher} | student


def _train(world: World, stage: int | None, shared: str) -> tuple[Kept, Kept]:
    """What is kept after three steps, and of a new method that goes on after two from a checkpoint.

    The other one begins with another encoder, as if the file of its weights had been replaced. But
    at ZeRO-3: there the first features are computed by an encoder that is made anew.
    """
    experiment = _experiment(stage)
    method = build_method(experiment, world, torch.full((19,), 1 / 19))
    for step in range(2):
        method.step(_batch(world, step))
    part = Path(tempfile.mkdtemp())
    checkpoint.save(
        part,
        experiment=experiment,
        classes=CITYSCAPES_19,
        world=world,
        method=method,
        progress=Progress(step=2),
        streams={},
    )
    shutil.copytree(part, shared, dirs_exist_ok=True)
    shutil.rmtree(part)
    world.barrier()
    method.step(_batch(world, 2))
    through = _kept(method)
    other = override(experiment, {"run.seed": 0 if stage == 3 else 1})
    method = build_method(other, world, torch.full((19,), 1 / 19))
    checkpoint.restore(Path(shared), experiment=other, world=world, method=method)
    method.step(_batch(world, 2))
    return through, _kept(method)


@cache
def _plain() -> Kept:
    with tempfile.TemporaryDirectory() as folder:
        (through, _), _ = run_ranks(_train, 2, None, folder)
    return through


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_engines_train_alike_and_go_on(stage: int, tmp_path: Path) -> None:
    (through, gone_on), _ = run_ranks(_train, 2, stage, str(tmp_path))
    expected = _plain()
    assert expected.keys() == through.keys() == gone_on.keys()
    for name, value in expected.items():
        torch.testing.assert_close(through[name], value, rtol=1e-4, atol=1e-5, msg=name)
        assert gone_on[name].equal(through[name]), name
    holders = {
        path.parent.name if path.parent != tmp_path else path.name
        for path in tmp_path.rglob("*.safetensors")
        if b"base_layer" in path.read_bytes()
    }
    assert holders == {"segmenter.safetensors"}
