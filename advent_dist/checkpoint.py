"""Checkpoints: all that a run needs to go on, to the bit.

    STEP/run.json               rank 0     config, progress, both streams' positions, list of files
    STEP/segmenter.safetensors  rank 0     the segmenter's weights, BatchNorm statistics pooled
    STEP/rank_00000.pt          each rank  its random states and BatchNorm statistics
    STEP/engines/NAME/          each rank  weights and optimiser state of an engine

Each rank writes its part into a folder of its own; whoever stores them lays them together.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from advent_dist.config import Experiment
from advent_dist.errors import CheckpointError
from advent_dist.parallel.buffers import pooled_batch_norm
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.world import World
from advent_dist.progress import Progress

RUN_FILE = "run.json"
WEIGHTS_FILE = "segmenter.safetensors"


def save(
    folder: Path,
    *,
    experiment: Experiment,
    world: World,
    engines: Mapping[str, Engine],
    progress: Progress,
    streams: dict[str, Any],
) -> None:
    """Write this rank's part of a checkpoint into `folder`. Collective.

    Args:
        folder: An existing folder.
        experiment: The whole config.
        world: This rank.
        engines: Name -> engine.
        progress: How far the run is.
        streams: The loader's position, the same on all ranks.
    """
    for name, engine in engines.items():
        engine.save(folder / "engines" / name)
    torch.save(
        {
            "random": _random_state(world.device),
            "buffers": {name: _buffers(engine.module) for name, engine in engines.items()},
        },
        folder / _rank_file(world.rank),
    )
    segmenter = engines["segmenter"]
    with pooled_batch_norm(segmenter.module, world):
        weights = segmenter.weights()
    if world.is_main:
        tensors = {name: value.contiguous() for name, value in weights.items()}
        save_file(tensors, folder / WEIGHTS_FILE)
    files = world.gather(_sizes(folder))
    if world.is_main:
        run = {
            "experiment": asdict(experiment),
            "progress": progress.to_json(),
            "streams": streams,
            "world_size": world.size,
            "files": {name: size for sizes in files for name, size in sizes.items()},
        }
        (folder / RUN_FILE).write_text(json.dumps(run, indent=1))


def restore(
    folder: Path, *, experiment: Experiment, world: World, engines: Mapping[str, Engine]
) -> tuple[Progress, dict[str, Any]]:
    """Put engines and random states back as they were. Collective.

    Returns:
        The run's progress and the position of the loader.

    Raises:
        CheckpointError: the checkpoint is incomplete, or of another model, class set or world size.
    """
    run = _read_run(folder)
    require_same(run["experiment"], run["world_size"], experiment, world.size)
    _require_complete(folder, run["files"])
    for name, engine in engines.items():
        engine.load(folder / "engines" / name)
    state = torch.load(folder / _rank_file(world.rank), map_location="cpu", weights_only=False)
    for name, engine in engines.items():
        with torch.no_grad():
            for key, buffer in engine.module.named_buffers():
                buffer.copy_(state["buffers"][name][key])
    _set_random_state(state["random"], world.device)
    return Progress.from_json(run["progress"]), run["streams"]


def read_progress(folder: Path) -> Progress:
    """How far the run was at this checkpoint.

    Raises:
        CheckpointError: the checkpoint is incomplete.
    """
    return Progress.from_json(_read_run(folder)["progress"])


def _read_run(folder: Path) -> dict[str, Any]:
    try:
        run: dict[str, Any] = json.loads((folder / RUN_FILE).read_text())
    except FileNotFoundError:
        raise _incomplete(folder, f"{RUN_FILE} is missing") from None
    except ValueError as error:
        raise _incomplete(folder, f"{RUN_FILE} is damaged ({error})") from error
    return run


def _incomplete(folder: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{folder} is no complete checkpoint: {what}; copy the whole checkpoint there again, or "
        "start the run anew (--run.overwrite)"
    )


def _require_complete(folder: Path, files: Mapping[str, int]) -> None:
    """Refuse a checkpoint without all its files: DeepSpeed would go on without some of them."""
    for name, num_bytes in files.items():
        path = folder / name
        if not path.is_file():
            raise _incomplete(folder, f"{name} is missing")
        if path.stat().st_size != num_bytes:
            found = path.stat().st_size
            raise _incomplete(folder, f"{name} has {found} bytes instead of {num_bytes}")


def require_same(
    then: dict[str, Any], workers_then: int, experiment: Experiment, workers: int
) -> None:
    """Refuse what could not go on: other networks, another sharding, another world size.

    Args:
        then: The config of the run so far, as JSON has it.
        workers_then: Its number of ranks.
        experiment: The config to go on with.
        workers: Its number of ranks.

    Raises:
        CheckpointError: they differ in something that a checkpoint depends on.
    """
    now = json.loads(json.dumps(asdict(experiment)))
    fields = [
        ("data", "classes"),
        ("model", "encoder"),
        ("model", "multi_level"),
        ("model", "discriminator_width"),
        ("method", "name"),
        ("engine", "kind"),
        ("engine", "zero_stage"),
        ("engine", "discriminator_zero_stage"),
        ("optimizer", "segmenter"),
    ]
    for section, name in fields:
        if then[section][name] != now[section][name]:
            raise CheckpointError(
                f"{section}.{name} = {now[section][name]!r}, but the checkpoint was written with "
                f"{then[section][name]!r}; resume with that, or start a new run (--run.name)"
            )
    if workers_then != workers:
        raise CheckpointError(
            f"cluster.workers = {workers}, but the checkpoint was written by {workers_then}; "
            "resume with as many, since optimiser state is sharded"
        )


def _sizes(folder: Path) -> dict[str, int]:
    """Relative path -> bytes of every file in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _rank_file(rank: int) -> str:
    return f"rank_{rank:05d}.pt"


def _buffers(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.detach().cpu().clone() for name, buffer in module.named_buffers()}


def _random_state(device: torch.device) -> dict[str, Any]:
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
