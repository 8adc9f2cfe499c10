"""What DeepSpeed does besides training as plain PyTorch: precision, checkpointing, files."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from deepspeed.accelerator import set_accelerator
from deepspeed.accelerator.cuda_accelerator import CUDA_Accelerator
from torch import Tensor
from torch.nn.modules.module import register_module_forward_hook

from advent_dist.config import EngineConfig
from advent_dist.config.override import override
from advent_dist.methods.base import Method
from advent_dist.parallel.deepspeed import deepspeed_config
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from tests.helpers import random_batch, run_ranks, tiny_experiment

SHARDED = {
    "engine.zero_stage": 3,
    "engine.discriminator_zero_stage": 3,
    "engine.zero3_persistence_threshold": 0,
}


def _method(world: World, changes: dict[str, Any]) -> Method:
    chosen = override(tiny_experiment("streets_advent"), changes)
    return build_method(chosen, world, torch.full((19,), 1 / 19))


def _weights(method: Method) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value
        for name, engine in method.engines.items()
        for key, value in engine.weights().items()
    }


def after_steps(
    world: World, changes: dict[str, Any], steps: int = 2
) -> tuple[dict[str, Tensor], int]:
    """The weights, and how many times a module of a network has run."""
    method = _method(world, changes)
    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    with register_module_forward_hook(count):
        for step in range(steps):
            method.step(random_batch(step * world.size + world.rank).to(world.device))
    return _weights(method), runs


def bf16_types(world: World, changes: dict[str, Any]) -> dict[str, Any]:
    method = _method(world, {"engine.precision": "bf16", **changes})
    batches = [random_batch(2 * step + world.rank).to(world.device) for step in range(3)]
    losses = [method.step(batch) for batch in batches]
    segmenter = method.engines["segmenter"]
    inside: list[torch.dtype] = []
    head = segmenter.module.network.main_head  # type: ignore[union-attr]
    handle = head.register_forward_hook(lambda _m, _i, output: inside.append(output.dtype))
    output = segmenter(batches[0].target_image)
    handle.remove()
    return {
        "inside": inside,
        "outputs": {output.main.dtype, output.aux.dtype},
        "losses": {value.dtype for row in losses for value in row.values()},
        "finite": all(value.isfinite() for row in losses for value in row.values()),
        "weights": {
            value.dtype for value in _weights(method).values() if value.is_floating_point()
        },
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"engine.kind": "local"},
        {"engine.zero_stage": 0},
        {"engine.zero_stage": 1},
        {"engine.zero_stage": 2},
        SHARDED,
    ],
    ids=["local", "stage 0", "stage 1", "stage 2", "stage 3"],
)
def test_bf16_inside_and_fp32_where_entropies_are_taken(changes: dict[str, Any]) -> None:
    result, *_ = run_ranks(bf16_types, 2, changes)
    assert result["inside"] == [torch.bfloat16]
    assert result["outputs"] == {torch.float32}
    assert result["losses"] == {torch.float32}
    assert result["weights"] == {torch.float32}
    assert result["finite"]


@pytest.mark.parametrize(
    "changes", [{"engine.kind": "local"}, {}, SHARDED], ids=["local", "stage 0", "stage 3"]
)
def test_activation_checkpointing_recomputes_and_changes_nothing(changes: dict[str, Any]) -> None:
    (plain, runs), *_ = run_ranks(after_steps, 2, changes)
    saving = {**changes, "engine.activation_checkpointing": True}
    (checkpointed, more_runs), *_ = run_ranks(after_steps, 2, saving)
    # Or it was not in use.
    assert more_runs > runs
    (cheaply, _), *_ = run_ranks(after_steps, 2, {**saving, "engine.recomputed": "cheap"})
    for state in (checkpointed, cheaply):
        assert plain.keys() == state.keys()
        for key, value in plain.items():
            torch.testing.assert_close(state[key], value, rtol=1e-5, atol=1e-7, msg=key)


def test_the_config_means_what_it_says() -> None:
    config = deepspeed_config(
        EngineConfig(precision="bf16", gradient_accumulation_steps=4, gradient_clipping=0.5),
        stage=2,
        batch_size_per_rank=3,
        trained=7_000_000,
    )
    assert config["train_micro_batch_size_per_gpu"] == 3
    assert config["gradient_accumulation_steps"] == 4
    assert config["gradient_clipping"] == 0.5
    assert config["zero_optimization"]["stage"] == 2
    # Buffers are as large as what can be in them.
    assert config["zero_optimization"]["reduce_bucket_size"] == 7_000_000
    assert config["torch_autocast"]["enabled"]
    # Nobody asks for the norm of gradients that are not clipped.
    assert config["zero_optimization"]["compute_grad_norm"]
    whole = deepspeed_config(EngineConfig(), stage=1, batch_size_per_rank=1, trained=1)
    assert not whole["zero_optimization"]["compute_grad_norm"]
    # Left out, DeepSpeed would clip to 1.
    default = deepspeed_config(EngineConfig(), stage=0, batch_size_per_rank=1, trained=600_000_000)
    assert default["gradient_clipping"] == 0.0
    assert not default["torch_autocast"]["enabled"]
    assert default["zero_optimization"]["reduce_bucket_size"] == 500_000_000


def _beside_gpus(world: World) -> set[torch.device]:
    """The devices of a rank of the CPU where DeepSpeed has found GPUs, as it does when imported."""
    set_accelerator(CUDA_Accelerator())
    return {value.device for value in _weights(_method(world, SHARDED)).values()}


def test_deepspeed_computes_where_the_rank_does() -> None:
    devices, *_ = run_ranks(_beside_gpus, 1)
    assert devices == {torch.device("cpu")}


def _steps(world: World) -> int:
    return after_steps(world, {}, steps=1)[1]


def test_the_variables_of_another_launcher_are_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray may have been started from a shell within an mpirun, or a job of Slurm."""
    for name, value in {
        "OMPI_COMM_WORLD_RANK": "0",
        "OMPI_COMM_WORLD_SIZE": "1",
        "OMPI_COMM_WORLD_LOCAL_RANK": "0",
        "PMI_RANK": "0",
        "PMI_SIZE": "1",
        "SLURM_PROCID": "0",
        "SLURM_NTASKS": "1",
        "SLURM_LOCALID": "0",
    }.items():
        monkeypatch.setenv(name, value)
    assert all(run_ranks(_steps, 2))
