"""The train function: what Ray Train runs on each worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ray
import ray.train

from advent_dist.config.override import from_json
from advent_dist.data.class_file import parse_class_file
from advent_dist.errors import DivergedError
from advent_dist.runs.folder import RunFolder
from advent_dist.training.progress import Progress
from cluster.logs import log_as
from cluster.preemption import PreemptionNotice


def train_worker(config: dict[str, Any]) -> dict[str, Any]:
    """Train one rank and report to Ray Train.

    Args:
        config: `experiment` and `classes` as JSON text; `observer`, the `Observer` of rank 0.

    Returns:
        The run's progress as a JSON-able dict; or `diverged`, the message, if it has. That is not
        raised, since Ray Train would start the run again to see the same.
    """
    # PyTorch, networks, loaders, TensorBoard: seconds of imports, which Ray Train's controller,
    # where this function passes through, and a sweep's trials do without.
    from ray.train.torch import get_device

    from advent_dist.parallel.world import World
    from advent_dist.training.rank import train_rank
    from cluster.growth import Growth
    from cluster.recorder import Recorder

    experiment = from_json(config["experiment"])
    classes = parse_class_file(config["classes"], "classes").classes
    context = ray.train.get_context()
    world = World(
        rank=context.get_world_rank(),
        size=context.get_world_size(),
        # Ray's choice: DeepSpeed's idea of the local rank can differ.
        device=get_device(),
    )
    if world.device.type == "cuda":
        # DeepSpeed chooses its device by the local rank.
        os.environ["LOCAL_RANK"] = str(world.device.index)
    log_as(experiment, world)
    observer = config["observer"]
    preemption, growth = PreemptionNotice(), Growth(world)
    is_urgent = False

    def notice() -> bool:
        nonlocal is_urgent
        ends = world.any(world.is_main and observer.is_to_end())
        grows = growth.is_asked()
        is_urgent = preemption() or ends or grows
        return is_urgent

    store = RunFolder.of(experiment).checkpoint_store(experiment, world)
    recorder = Recorder(experiment, world, observer, store)

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        stops = recorder(row, checkpoint, progress)
        # Ray Train hears of the metrics only: what it writes to object storage it does not check.
        ray.train.report(row)
        if checkpoint is not None and is_urgent:
            is_stored = recorder.wait()
            if is_stored and not stops and progress.step < experiment.run.steps:
                growth.saved()
        return stops

    latest = recorder.begun(store.latest)
    first_step = observer.steps if world.is_main else None
    try:
        progress = train_rank(
            experiment, classes, world, report, latest, first_step, notice, recorder.wait
        )
    except DivergedError as error:
        return {"diverged": str(error)}
    finally:
        recorder.close()
    return progress.to_json()
