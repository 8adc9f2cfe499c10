"""One rank's part of a run, from its config to its last report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advent_dist.config import Experiment
from advent_dist.data.classes import ClassSet
from advent_dist.data.labels import histogram
from advent_dist.data.loader import TrainingLoader
from advent_dist.data.store import folder_url, read_manifest
from advent_dist.errors import DataError
from advent_dist.evaluation.selection import selection_of
from advent_dist.methods.base import Method
from advent_dist.parallel.tf32 import set_tf32
from advent_dist.parallel.world import World
from advent_dist.training import checkpoint
from advent_dist.training.assembly import build_method
from advent_dist.training.determinism import set_deterministic
from advent_dist.training.evaluator import Evaluator
from advent_dist.training.global_batch import for_ranks, global_batch_size
from advent_dist.training.intake import Intake
from advent_dist.training.loop import Report, train
from advent_dist.training.progress import Progress
from advent_dist.training.scratch import (
    disk_full_is_said,
    new_folder,
    remove_leftovers,
    removed_on_error,
)
from advent_dist.types import DomainBatch

_log = logging.getLogger(__name__)


Latest = Callable[[], AbstractContextManager[Path | None]]
"""Opens the latest checkpoint as a folder of this machine; None if there is none. Collective."""


def train_rank(
    experiment: Experiment,
    classes: ClassSet,
    world: World,
    report: Report,
    latest: Latest = nullcontext,
    on_first_step: Callable[[], None] | None = None,
    notice: Callable[[], bool] = bool,
    stored: Callable[[], object] = bool,
) -> Progress:
    """Train one rank of `experiment`, from scratch or from a checkpoint. Collective.

    Args:
        experiment: The whole config.
        classes: The classes that its shards have.
        world: This rank.
        report: Takes rows and this rank's parts of checkpoints.
        latest: Opens the folder of the checkpoint to go on from, for as long as it is read.
        on_first_step: Called once, when the first micro-batch has been trained on.
        notice: See `loop.train`.
        stored: Waits until the last checkpoint is stored, and raises what storing it has raised;
            called before the next one is written, since the disk may have room for one part only,
            and at the end.

    Returns:
        The run's progress at its end.
    """
    data, original = experiment.data, experiment
    experiment = for_ranks(experiment, world.size)
    batch = global_batch_size(experiment, world.size)
    _log.info(
        "global batch of %d = %d images x %d ranks x %d micro-batches",
        batch,
        data.batch_size_per_rank,
        world.size,
        experiment.engine.gradient_accumulation_steps,
    )
    remove_leftovers()
    set_deterministic(experiment.engine.deterministic)
    set_tf32(experiment.engine.tf32)
    loader = TrainingLoader(
        data,
        rank=world.rank,
        world_size=world.size,
        seed=experiment.run.seed,
        pinned=world.device.type == "cuda",
    )
    evaluator = Evaluator(experiment, classes, world)
    try:
        # Before the GPU and NCCL are used: a process group that is there makes its connections at
        # the first collective.
        loader.start()
        evaluator.start()
        if world.device.type == "cuda":
            torch.cuda.set_device(world.device)
        method = build_method(experiment, world, _source_prior(experiment, classes))
        progress = Progress()
        with latest() as folder:
            if folder is not None:
                progress, streams = checkpoint.restore(
                    folder, experiment=experiment, world=world, method=method
                )
                loader.go_on(streams)
        progress.selected_by = selection_of(experiment)
        intake = Intake(
            world=world,
            take_traffic=loader.take_traffic,
            num_samples={
                "source": loader.source_manifest.num_samples,
                "target": loader.target_manifest.num_samples,
            },
            max_damaged_fraction=data.max_damaged_fraction,
        )
        train(
            experiment,
            world=world,
            method=method,
            batches=iter(loader) if on_first_step is None else _noting(loader, on_first_step),
            progress=progress,
            evaluate=lambda: evaluator.scores(method.engines[experiment.network], progress.step),
            save=_saver(original, classes, world, method, loader, stored),
            report=report,
            intake=lambda: intake.read(loader.samples_read),
            notice=notice,
        )
        stored()
    finally:
        loader.close()
        evaluator.close()
    return progress


def _saver(
    experiment: Experiment,
    classes: ClassSet,
    world: World,
    method: Method[Any],
    loader: TrainingLoader,
    stored: Callable[[], object],
) -> Callable[[Progress], Path]:
    """A function that writes this rank's part of a checkpoint into a new folder. Collective."""

    def save(progress: Progress) -> Path:
        stored()
        folder = new_folder()
        with removed_on_error(folder), disk_full_is_said(folder):
            checkpoint.save(
                folder,
                experiment=experiment,
                classes=classes,
                world=world,
                method=method,
                progress=progress,
                streams=loader.state(),
            )
        return folder

    return save


def _noting(
    batches: Iterator[DomainBatch], on_first_step: Callable[[], None]
) -> Iterator[DomainBatch]:
    """The same batches; whoever asks for the second one is done with the first."""
    yield next(batches)
    on_first_step()
    yield from batches


def _source_prior(experiment: Experiment, classes: ClassSet) -> Tensor:
    """The class frequencies of the source, float32 [C], from its manifest.

    Raises:
        DataError: its classes are not those of the run: this machine sees other shards.
    """
    data = experiment.data
    url = folder_url(data, data.source)
    manifest = read_manifest(url, data)
    counts = histogram(manifest, data.labels) or (0,) * classes.num_classes
    if len(counts) != classes.num_classes:
        raise DataError(
            f"{url}: its manifest counts {len(counts)} classes, but the run has "
            f"{classes.num_classes}; give all machines the same shards"
        )
    found = torch.tensor(counts, dtype=torch.float32)
    return found / found.sum().clamp(min=1)
