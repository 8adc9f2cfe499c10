"""The train function: what Ray Train runs on each worker."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch

from advent_dist.checkpoint import read_progress
from advent_dist.override import from_json
from advent_dist.parallel.world import World
from advent_dist.progress import Progress
from advent_dist.rank import train_rank
from advent_dist.runfolder import RunFolder, checkpoint_name
from advent_dist.tensorboard import EventLog


def train_worker(config: dict[str, Any]) -> dict[str, Any]:
    """Train one rank and report to Ray Train.

    Args:
        config: `experiment` as JSON text; `board`, the driver's `ProgressBoard` actor.

    Returns:
        The run's progress as a JSON-able dict.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    experiment = from_json(config["experiment"])
    context = ray.train.get_context()
    world = World(
        rank=context.get_world_rank(),
        size=context.get_world_size(),
        # Ray's choice: DeepSpeed's idea of the local rank can differ.
        device=ray.train.torch.get_device(),
    )
    if world.device.type == "cuda":
        # DeepSpeed chooses its device by the local rank.
        torch.cuda.set_device(world.device)
        os.environ["LOCAL_RANK"] = str(world.device.index)
    run = RunFolder.of(experiment)
    events: EventLog | None = None

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> None:
        nonlocal events
        if world.is_main:
            if events is None:
                events = EventLog(run.folder, purge_step=row["step"])
            run.append(row)
            events.append(row)
            config["board"].show.remote(row)
        _report_to_ray(row, checkpoint)
        # Last, since the summary names checkpoints that are there only now.
        if world.is_main and checkpoint is not None:
            run.write_summary(experiment, progress)

    with _latest_checkpoint() as latest:
        if world.is_main:
            run.rewind(read_progress(latest).step if latest else 0)
        progress = train_rank(experiment, world, report, latest)
    return progress.to_json()


@contextmanager
def _latest_checkpoint() -> Iterator[Path | None]:
    """The run's latest checkpoint as a local folder, if it has one."""
    latest = ray.train.get_checkpoint()
    if latest is None:
        yield None
        return
    with latest.as_directory() as folder:
        yield Path(folder)


def _report_to_ray(row: dict[str, Any], checkpoint: Path | None) -> None:
    if checkpoint is None:
        ray.train.report(row)
        return
    ray.train.report(
        row,
        checkpoint=ray.train.Checkpoint.from_directory(checkpoint),
        checkpoint_dir_name=checkpoint_name(row["step"]),
        delete_local_checkpoint_after_upload=True,
    )
