"""A checkpoint serves any number of ranks, at any ZeRO stage: nothing is lost or rounded."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from advent_dist.config import EngineConfig, Experiment
from advent_dist.config.override import override
from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.methods.base import Method
from advent_dist.parallel import pieces
from advent_dist.parallel.buffers import pooled_batch_norm
from advent_dist.parallel.deepspeed import DeepSpeedEngine
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.local import LocalEngine
from advent_dist.parallel.world import World
from advent_dist.training import checkpoint
from advent_dist.training.assembly import build_method
from advent_dist.training.progress import Progress
from advent_dist.training.repeated_sgd import RepeatedSGD
from tests.helpers import random_batch, run_ranks, tiny_experiment

GLOBAL_MICRO_BATCHES = 4
"""Of one optimiser step, whatever the number of ranks."""

ENGINES: dict[str, dict[str, Any]] = {
    "local": {"engine.kind": "local"},
    **{
        f"zero{stage}": {
            "engine.zero_stage": stage,
            "engine.discriminator_zero_stage": stage,
            "engine.zero3_persistence_threshold": 0,
        }
        for stage in range(4)
    },
}
SGD = {"optimizer.segmenter": "sgd", "optimizer.head_lr_multiplier": 10.0}
ADAMW = {"optimizer.segmenter": "adamw"}

WEIGHTS = "segmenter.safetensors"


def _experiment(world: World, changes: dict[str, Any]) -> Experiment:
    accumulation = GLOBAL_MICRO_BATCHES // world.size
    accumulated = {"engine.gradient_accumulation_steps": accumulation}
    return override(tiny_experiment("streets_advent"), {**accumulated, **changes})


def _step(world: World, method: Method, step: int) -> None:
    """One optimiser step: the same batches on 1, 2 and 4 ranks."""
    for engine in method.engines.values():
        engine.set_lr_factor(1 - step / 10)
    for seed in range(world.rank, GLOBAL_MICRO_BATCHES, world.size):
        method.step(random_batch(GLOBAL_MICRO_BATCHES * step + seed))


def _save(world: World, method: Method, experiment: Experiment, folder: str, step: int) -> None:
    part = Path(tempfile.mkdtemp())
    checkpoint.save(
        part,
        experiment=experiment,
        classes=CITYSCAPES_19,
        world=world,
        method=method,
        progress=Progress(step=step),
        streams={},
    )
    shutil.copytree(part, folder, dirs_exist_ok=True)
    shutil.rmtree(part)
    world.barrier()


def _part(
    world: World,
    changes: dict[str, Any],
    latest: str | None,
    steps: tuple[int, int],
    kept: str,
) -> None:
    """Train from a checkpoint, or from the start, to another."""
    experiment = _experiment(world, changes)
    method = build_method(experiment, world, torch.full((19,), 1 / 19))
    if latest is not None:
        checkpoint.restore(Path(latest), experiment=experiment, world=world, method=method)
    for step in range(*steps):
        _step(world, method, step)
    _save(world, method, experiment, kept, steps[1])


def _state(folder: Path) -> dict[str, Tensor]:
    """Every weight and optimiser state of a checkpoint, whole."""
    found = {}
    for engine in sorted((folder / "engines").iterdir()):
        with pieces._saved(sorted(engine.iterdir())) as saved:
            for key, name in saved._places:
                scalar = saved.scalar(key, name)
                found[f"{engine.name}.{key}.{name}"] = (
                    _whole(saved, key, name) if scalar is None else scalar
                )
    return found


def _whole(saved: pieces._Saved, key: str, name: str) -> Tensor:
    parts = saved._places[key, name]
    size = max(start + file.get_slice(entry).get_shape()[0] for start, entry, file in parts)
    return saved.read(key, pieces.Piece(name=name, start=0, offset=0, size=size))


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("local", ADAMW), ("zero0", SGD), ("zero1", ADAMW), ("zero2", SGD), ("zero3", ADAMW)],
    ids=["local-adamw", "zero0-sgd", "zero1-adamw", "zero2-sgd", "zero3-adamw"],
)
def test_nothing_is_lost_or_rounded(name: str, optimizer: dict[str, Any], tmp_path: Path) -> None:
    """2 ranks -> 3 -> 1 without training: all weights and optimiser states to the bit."""
    _assert_kept([{**ENGINES[name], **optimizer}] * 3, (2, 3, 1), tmp_path)


def test_another_zero_stage_and_none(tmp_path: Path) -> None:
    engines = [{**ENGINES[name], **SGD} for name in ("zero2", "zero3", "local")]
    _assert_kept(engines, (2, 3, 2), tmp_path)


def _assert_kept(changes: list[dict[str, Any]], sizes: tuple[int, ...], root: Path) -> None:
    """Every weight and state of a short training survives these configs on these many ranks."""
    accumulation = {"engine.gradient_accumulation_steps": 1}
    folders = [str(root / str(number)) for number in range(len(sizes))]
    run_ranks(_part, sizes[0], changes[0], None, (0, 1), folders[0])
    expected = _state(Path(folders[0]))
    states = {key.split(".")[1] for key in expected if key.startswith("segmenter.")}
    adamw = changes[0]["optimizer.segmenter"] == "adamw"
    assert states - {"weight"} == (
        {"exp_avg", "exp_avg_sq", "step"} if adamw else {"momentum_buffer"}
    )
    for number in range(1, len(sizes)):
        before, after = folders[number - 1 : number + 1]
        config = {**changes[number], **accumulation}
        run_ranks(_part, sizes[number], config, before, (1, 1), after)
        found = _state(Path(after))
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            assert torch.equal(value, found[key]), key


def _assert_close(expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    """All weights of each engine together: the order of sums alone differs."""
    for engine in {key.split(".")[0] for key in expected}:
        weights = [key for key in expected if key.startswith(f"{engine}.weight.")]
        one, other = (
            torch.cat([state[key].flatten() for key in weights]) for state in (expected, found)
        )
        difference = (one - other).norm() / one.norm()
        assert difference <= 1e-6, f"{engine}: {difference:.2e}"


@pytest.mark.parametrize("name", ENGINES)
def test_the_trajectory_is_the_same_on_other_ranks(name: str, tmp_path: Path) -> None:
    changes = {**ENGINES[name], **SGD}
    expected = _after(changes, [(2, 4)], tmp_path / "through")
    found = _after(changes, [(2, 1), (1, 2), (4, 3), (2, 4)], tmp_path / "other")
    _assert_close(expected, found)


def _after(changes: dict[str, Any], parts: list[tuple[int, int]], root: Path) -> dict[str, Tensor]:
    """The state after `parts`, each a number of ranks and the step until which they train."""
    latest, start = None, 0
    for number, (size, stop) in enumerate(parts):
        kept = str(root / str(number))
        run_ranks(_part, size, changes, latest, (start, stop), kept)
        latest, start = kept, stop
    return _state(Path(kept))


REPEATS = (2, 3)


def _fit(world: World, stage: int | None, latest: str | None, folder: str, steps: range) -> Any:
    """A small network by the optimiser of `published_repeats`; its sizes divide by no world.

    One layer is frozen, with values that a run that goes on has to take from the checkpoint.
    """
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Tanh(), nn.Linear(7, 3))
    network[1].requires_grad_(False)
    if latest is None:
        network[1].weight.uniform_(0.5, 2.0)
    groups = [
        {"params": layer.parameters(), "lr": 0.1, "repeats": repeats}
        for layer, repeats in zip((network[0], network[3]), REPEATS, strict=True)
    ]
    optimizer = RepeatedSGD(groups, momentum=0.9, weight_decay=1e-3)
    config = EngineConfig(
        kind="local" if stage is None else "deepspeed",
        zero3_persistence_threshold=0,
        gradient_accumulation_steps=GLOBAL_MICRO_BATCHES // world.size,
    )
    engine: Engine = (
        LocalEngine(network, optimizer, config, world)
        if stage is None
        else DeepSpeedEngine(network, optimizer, config, world, stage=stage, batch_size_per_rank=1)
    )
    if latest is not None:
        files = [path for path in sorted(Path(latest).iterdir()) if path.name != WEIGHTS]
        engine.load(files, Path(latest, WEIGHTS))
    for step in steps:
        for seed in range(world.rank, GLOBAL_MICRO_BATCHES, world.size):
            random = torch.Generator().manual_seed(GLOBAL_MICRO_BATCHES * step + seed)
            engine.backward(engine(torch.randn(6, 5, generator=random)).square().mean())
            engine.step()
    engine.save(Path(folder))
    weights = engine.weights()
    if world.is_main:
        save_file(weights, Path(folder, WEIGHTS))
    return weights


@pytest.mark.parametrize("stage", [None, 0, 1, 2, 3])
def test_the_published_repeats_and_frozen_layers_too(stage: int | None, tmp_path: Path) -> None:
    folders = [str(tmp_path / str(number)) for number in range(4)]
    expected, *_ = run_ranks(_fit, 2, None, None, folders[0], range(6))
    run_ranks(_fit, 2, stage, None, folders[1], range(2))
    run_ranks(_fit, 3, stage, folders[1], folders[2], range(2, 2))
    found, *_ = run_ranks(_fit, 4, stage, folders[2], folders[3], range(2, 6))
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-6, atol=1e-7)


def test_frozen_layers_at_another_stage(tmp_path: Path) -> None:
    folders = [str(tmp_path / str(number)) for number in range(3)]
    expected, *_ = run_ranks(_fit, 2, 3, None, folders[0], range(2))
    for stage, before, after in ((None, *folders[:2]), (2, *folders[1:])):
        found, *_ = run_ranks(_fit, 2, stage, before, after, range(2, 2))
        assert all(torch.equal(found[key], value) for key, value in expected.items())


def _noise(world: World, latest: str | None, folder: str) -> tuple[Tensor, float]:
    """The prediction by pooled statistics, and a random number to come."""
    experiment = _experiment(world, {"engine.gradient_accumulation_steps": 1, **SGD})
    method = build_method(experiment, world, torch.full((19,), 1 / 19))
    if latest is None:
        method.step(random_batch(world.rank))
        _save(world, method, experiment, folder, 1)
    else:
        checkpoint.restore(Path(latest), experiment=experiment, world=world, method=method)
    module = method.engines["segmenter"].module.eval()
    with pooled_batch_norm(module, world), torch.no_grad():
        logits: Tensor = module(random_batch(7).source_image).main
    return logits, torch.rand(()).item()


def test_new_ranks_have_the_pooled_statistics_and_random_numbers_of_their_own(
    tmp_path: Path,
) -> None:
    folder = str(tmp_path / "saved")
    before = run_ranks(_noise, 2, None, folder)
    after = run_ranks(_noise, 3, folder, folder)
    for logits, _ in after:
        torch.testing.assert_close(logits, before[0][0], rtol=1e-5, atol=1e-6)
    drawn = {number for _, number in (*before, *after)}
    assert len(drawn) == 5
    assert [number for _, number in run_ranks(_noise, 3, folder, folder)] == [
        number for _, number in after
    ]


@pytest.mark.parametrize("stage", [None, 0, 1, 2, 3])
def test_what_nothing_trains_is_stored_once(stage: int | None, tmp_path: Path) -> None:
    run_ranks(_fit, 2, stage, None, str(tmp_path), range(1))
    parts = [path for path in tmp_path.iterdir() if path.name != WEIGHTS]
    names = {entry.split(":")[2] for path in parts for entry in load_file(path)}
    assert names == {"0.weight", "0.bias", "3.weight", "3.bias"}


def test_a_lost_part_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    run_ranks(_fit, 2, 1, None, str(folder), range(1))
    (folder / "00001.safetensors").unlink()
    with pytest.raises(AssertionError, match=r"CheckpointError: .* holds \d+ of the \d+ elements"):
        run_ranks(_fit, 1, 1, str(folder), str(folder), range(1))


def test_the_weights_have_the_statistics_of_all_ranks(tmp_path: Path) -> None:
    """Whatever the engine hands out: each rank has its own again when the checkpoint is written."""
    run_ranks(_part, 2, ENGINES["local"], None, (0, 1), str(tmp_path))
    weights = load_file(tmp_path / WEIGHTS)
    ranks = [load_file(tmp_path / f"rank_{rank:05d}.safetensors") for rank in range(2)]
    means = [name for name in weights if name.endswith("running_mean")]
    assert means
    for name in means:
        one, other = (rank[f"buffers/segmenter/{name}"] for rank in ranks)
        assert not one.equal(other)
        torch.testing.assert_close(weights[name], (one + other) / 2)
