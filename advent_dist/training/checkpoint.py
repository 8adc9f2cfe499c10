"""Checkpoints: all that a run needs to go on, to the bit, on as many ranks as before or others.

    STEP/run.json               rank 0     config, progress, both streams' positions, list of files
    STEP/segmenter.safetensors  rank 0     the network's weights, BatchNorm statistics pooled; those
                                           of a detector are detector.safetensors
    STEP/classes.json           rank 0     names and colours of the classes that it tells apart
    STEP/rank_00000.safetensors each rank  its random states and BatchNorm statistics
    STEP/engines/NAME/          each rank  its part of a network's trained weights and their states

What nothing trains, such as an encoder under adapters, is in the network's weights alone.

Each rank writes its part into a folder of its own; whoever stores them lays them together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from advent_dist.config import Experiment
from advent_dist.data.class_file import class_file_text
from advent_dist.data.classes import ClassSet
from advent_dist.errors import CheckpointError, DataError
from advent_dist.json_text import json_object
from advent_dist.parallel.buffers import Buffers, pooled, pooled_batch_norm
from advent_dist.parallel.world import World
from advent_dist.training import random_state
from advent_dist.training.checkpoint_files import (
    CLASSES_FILE,
    RUN_FILE,
    weights_file,
)
from advent_dist.training.progress import Progress
from advent_dist.training.same_run import require_same

if TYPE_CHECKING:  # all methods and networks come with it, and whoever reads a checkpoint has none
    from advent_dist.methods.base import Method


def save(
    folder: Path,
    *,
    experiment: Experiment,
    classes: ClassSet,
    world: World,
    method: Method[Any],
    progress: Progress,
    streams: dict[str, Any],
) -> None:
    """Write this rank's part of a checkpoint into `folder`. Collective.

    Args:
        folder: An existing folder.
        experiment: The whole config.
        classes: The run's classes.
        world: This rank.
        method: Whose networks are kept.
        progress: How far the run is.
        streams: The loader's position, the same on all ranks.
    """
    for name, network in method.kept.items():
        network.save(folder / "engines" / name)
    save_file(_rank_state(world, method), folder / _rank_file(world.rank))
    network = method.engines[experiment.network]
    with pooled_batch_norm(network.module, world):
        # Within, since they may be views of statistics that each rank gets back.
        weights = {name: value.contiguous() for name, value in network.weights().items()}
        if world.is_main:
            save_file(weights, folder / weights_file(experiment))
    if world.is_main:
        (folder / CLASSES_FILE).write_text(class_file_text(classes))
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
    folder: Path, *, experiment: Experiment, world: World, method: Method[Any]
) -> tuple[Progress, dict[str, Any]]:
    """Put networks and random states back as they were. Collective.

    With as many ranks as wrote the checkpoint, each goes on with its own BatchNorm statistics and
    random states. With another number, all of them start with the statistics pooled over the ranks
    that wrote (so that an evaluation finds the same network), and with random states drawn from
    the seed, the step and the rank. So they are where a run of CPUs goes on on GPUs.

    Returns:
        The run's progress and the position of the loader.

    Raises:
        CheckpointError: the checkpoint is incomplete, or of another model, class set or optimiser.
    """
    run = _read_run(folder)
    require_same(run["experiment"], experiment)
    _require_complete(folder, run["files"])
    progress = Progress.from_json(run["progress"])
    weights = folder / weights_file(experiment)
    for name, network in method.kept.items():
        # Those that are listed: others may have been left there, by another number of ranks.
        parts = [file for file in run["files"] if file.startswith(f"engines/{name}/")]
        network.load([folder / file for file in sorted(parts)], weights)
    if run["world_size"] == world.size:
        state = _read_rank(folder, world.rank)
        for name, network in method.kept.items():
            _set_buffers(network.module, _below(f"buffers/{name}/", state))
        random = _below("random/", state)
        if random_state.is_of(random, world.device):
            random_state.put_back(random, world.device)
        else:
            random_state.draw(experiment.run.seed, progress.step, world.rank)
    else:
        ranks = [_read_rank(folder, rank) for rank in range(run["world_size"])]
        for name, network in method.kept.items():
            buffers = [_below(f"buffers/{name}/", rank) for rank in ranks]
            _set_buffers(network.module, pooled(network.module, buffers))
        random_state.draw(experiment.run.seed, progress.step, world.rank)
    return progress, run["streams"]


def read_progress(folder: Path) -> Progress:
    """How far the run was at this checkpoint.

    Raises:
        CheckpointError: the checkpoint is incomplete.
    """
    return Progress.from_json(_read_run(folder)["progress"])


def _read_run(folder: Path) -> dict[str, Any]:
    try:
        return json_object((folder / RUN_FILE).read_bytes(), RUN_FILE)
    except FileNotFoundError:
        raise _incomplete(folder, f"{RUN_FILE} is missing") from None
    except DataError as error:
        raise _incomplete(folder, f"{RUN_FILE} is damaged ({error})") from error


def _incomplete(folder: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{folder} is no complete checkpoint: {what}; copy the whole checkpoint there again, or "
        "start the run anew (--overwrite)"
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


def _sizes(folder: Path) -> dict[str, int]:
    """Relative path -> bytes of every file in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _rank_file(rank: int) -> str:
    return f"rank_{rank:05d}.safetensors"


def _rank_state(world: World, method: Method[Any]) -> dict[str, torch.Tensor]:
    """What is each rank's own, by the paths random/... and buffers/ENGINE/..."""
    state = {f"random/{name}": value for name, value in random_state.take(world.device).items()}
    for network_name, network in method.kept.items():
        for name, buffer in network.module.named_buffers():
            state[f"buffers/{network_name}/{name}"] = buffer.detach().cpu().clone()
    return state


def _read_rank(folder: Path, rank: int) -> dict[str, torch.Tensor]:
    name = _rank_file(rank)
    try:
        return load_file(folder / name)
    except (FileNotFoundError, SafetensorError) as error:
        raise _incomplete(folder, f"{name} can't be read ({error})") from error


def _below(prefix: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose path begins with `prefix`, without it."""
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


@torch.no_grad()
def _set_buffers(module: nn.Module, buffers: Buffers) -> None:
    for name, buffer in module.named_buffers():
        buffer.copy_(buffers[name])
