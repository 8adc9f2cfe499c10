"""What one rank does on a device: on a CPU here, on a GPU by `benchmarks/gpu.py`.

Ranks of other tests are forked, which CUDA does not survive; this one is the process itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from deepspeed.accelerator import get_accelerator

from advent_dist.evaluation.counts import count
from advent_dist.losses import cross_entropy, self_information
from advent_dist.parallel.deepspeed import destroy_process_group
from advent_dist.parallel.world import World
from advent_dist.training import random_state
from advent_dist.training.determinism import set_deterministic
from advent_dist.training.meter import Meter
from benchmarks.gpu_checks.rank import one_rank
from tests.distributed import test_deepspeed, test_parity
from tests.helpers import random_batch
from tests.unit.methods.tiny import CONFIGS, batch_of, tiny_method

DEVICE = os.environ.get("ADVENT_DIST_TEST_DEVICE", "cpu")
SHARDED = {**test_deepspeed.SHARDED, "engine.kind": "deepspeed"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One rank, whose sums have one order and whose fp32 is not TF32."""
    matmul, cudnn = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    set_deterministic(True)
    with pytest.MonkeyPatch.context() as kept:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            kept.setenv(name, "")  # has it put back what was there
        with one_rank(DEVICE, end=destroy_process_group) as world:
            yield world
    set_deterministic(False)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


@pytest.fixture
def any_order(world: World) -> Iterator[None]:
    """Algorithms that have no fixed order are allowed: a method may have one on a GPU."""
    set_deterministic(False)
    yield
    set_deterministic(True)


@pytest.mark.usefixtures("any_order")
@pytest.mark.parametrize("name", CONFIGS)
def test_every_method_takes_steps(name: str, world: World) -> None:
    method = tiny_method(name, world=world)
    for seed in range(2):
        metrics = method.step(batch_of(name, seed).to(world.device))
        for key, value in metrics.items():
            assert value.device.type == world.device.type, key
            assert value.isfinite(), key


@pytest.mark.parametrize("changes", [{}, SHARDED], ids=["stage 0", "stage 3"])
def test_zero_trains_as_plain_pytorch(changes: dict[str, Any], world: World) -> None:
    local = test_parity.train_weights(world, {"engine.kind": "local"})
    sharded = test_parity.train_weights(world, changes)
    test_parity.assert_same(local, sharded)


def test_gradients_are_not_summed_with_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DeepSpeed would flatten all gradients, which is a second copy, and copy them back.
    summed: list[object] = []
    monkeypatch.setattr(
        "deepspeed.DeepSpeedEngine.allreduce_bucket", lambda *given, **_: summed.append(given)
    )
    test_parity.train_weights(world, {"engine.kind": "deepspeed"}, steps=1)
    assert not summed


def test_deepspeed_waits_for_no_device(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its throughput timer did, from the third step on, at each forward pass and each update."""
    waits: list[object] = []
    monkeypatch.setattr(get_accelerator(), "synchronize", lambda *given: waits.append(given))
    test_parity.train_weights(world, {"engine.kind": "deepspeed"})
    assert not waits


@pytest.mark.parametrize("changes", [{"engine.kind": "local"}, SHARDED], ids=["local", "stage 3"])
def test_bf16_inside_and_fp32_where_entropies_are_taken(
    changes: dict[str, Any], world: World
) -> None:
    found = test_deepspeed.bf16_types(world, changes)
    assert found["inside"] == [torch.bfloat16]
    assert found["outputs"] == found["losses"] == found["weights"] == {torch.float32}
    assert found["finite"]


@pytest.mark.parametrize("recomputed", ["all", "cheap"])
def test_activation_checkpointing_changes_nothing(recomputed: str, world: World) -> None:
    plain, _ = test_deepspeed.after_steps(world, {})
    saving = {"engine.activation_checkpointing": True, "engine.recomputed": recomputed}
    state, _ = test_deepspeed.after_steps(world, saving)
    for key, value in plain.items():
        torch.testing.assert_close(state[key], value, rtol=1e-5, atol=1e-7, msg=key)


def test_losses_and_their_gradients_are_those_of_the_cpu(world: World) -> None:
    random = torch.Generator().manual_seed(1)
    values = torch.randn(2, 19, 24, 32, generator=random)
    label = torch.randint(0, 19, (2, 24, 32), generator=random, dtype=torch.uint8)
    label[0, :4] = 255
    gradients = []
    for device in (torch.device("cpu"), world.device):
        logits = values.to(device, copy=True).requires_grad_()  # a leaf of its own on each
        loss = cross_entropy(logits, label.to(device))
        (loss + self_information(logits.softmax(1)).mean()).backward()
        assert logits.grad is not None
        gradients.append((loss.detach().cpu(), logits.grad.cpu()))
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-8)


def test_counts_go_through_the_process_group(world: World) -> None:
    logits = torch.randn(1, 19, 24, 32, generator=torch.Generator().manual_seed(1))
    label = logits.max(1).indices.byte()
    counts = count(logits.to(world.device), label.to(world.device))
    summed = counts.all_reduce()
    assert summed.labels.confusion.device.type == world.device.type
    assert torch.equal(summed.labels.confusion.cpu(), counts.labels.confusion.cpu())
    assert summed.labels.confusion.diagonal().sum() == label.numel()


def test_the_devices_generator_goes_on_where_it_was(world: World) -> None:
    state = random_state.take(world.device)
    drawn = torch.rand(8, device=world.device)
    random_state.put_back(state, world.device)
    assert torch.equal(torch.rand(8, device=world.device), drawn)


def test_the_meter_reads_what_is_on_the_device(world: World) -> None:
    meter = Meter(world)
    with meter.training():
        for step, value in enumerate((1.0, 3.0)):
            loss = torch.tensor(value, device=world.device)
            meter.add(step, random_batch(step), {"loss/seg": loss})
    assert meter.read()["loss/seg"] == 2.0
