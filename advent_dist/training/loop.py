"""The training loop: step -> report -> evaluate -> checkpoint. Of frameworks it knows PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from advent_dist.augmentation.fourier import in_target_style
from advent_dist.config import Experiment
from advent_dist.methods.base import Method
from advent_dist.parallel.world import World
from advent_dist.training.global_batch import global_batch_size
from advent_dist.training.meter import Meter
from advent_dist.training.progress import Progress, Scores
from advent_dist.training.schedule import lr_factor
from advent_dist.types import PairedImages

Batch = TypeVar("Batch", bound=PairedImages)

_ASKS_EVERY_S = 5.0
"""Clouds give notice half a minute before a machine goes, or earlier; reports may be rarer."""


class Report(Protocol):
    """Where rows of metrics and checkpoints go: Ray Train's `report`, or a test's list."""

    def __call__(self, row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        """Take one row, the same on all ranks, and this rank's part of a checkpoint. Collective.

        The part is a folder that is to be removed, whatever becomes of it.

        Returns:
            Whether the run is to end here, before its last step; the same on all ranks.
        """


def train(
    experiment: Experiment,
    *,
    world: World,
    method: Method[Batch],
    batches: Iterator[Batch],
    progress: Progress,
    evaluate: Callable[[], Scores],
    save: Callable[[Progress], Path],
    report: Report,
    intake: Callable[[], dict[str, float]] = dict,
    notice: Callable[[], bool] = bool,
) -> None:
    """Train from `progress` to `experiment.run.steps`, or until `report` ends it. Collective.

    Args:
        experiment: The whole config.
        world: This rank.
        method: What a step is.
        batches: Endless micro-batches of this rank, on the CPU.
        progress: How far the run is; brought forward in place.
        evaluate: Scores the network as it is. Collective.
        save: Writes this rank's part of a checkpoint to a new folder. Collective.
        report: Takes rows and checkpoints. Collective.
        intake: Metrics of reading since the last call. Collective.
        notice: Whether a checkpoint is due now, since a machine or the run is about to go; asked
            every few seconds and before each report. Collective.

    Raises:
        DivergedError: a loss is not finite.
        DamageError: too many samples are damaged.
    """
    run, optimizer, beta = experiment.run, experiment.optimizer, experiment.data.augment.fda_beta
    meter = Meter(world)
    asks_every = 1
    while progress.step < run.steps:
        factor = lr_factor(progress.step, optimizer)
        for engine in method.engines.values():
            engine.set_lr_factor(factor)
        with meter.training():
            for _ in range(experiment.engine.gradient_accumulation_steps):
                with meter.waiting():
                    batch = next(batches).to(world.device)
                if beta:
                    batch = in_target_style(batch, beta)
                meter.add(progress.step, batch, method.step(batch))
        progress.step += 1

        ends = progress.step == run.steps
        evaluates = ends or progress.step % run.evaluate_every == 0
        saves = ends or progress.step % run.checkpoint_every == 0
        reports = evaluates or saves or progress.step % run.report_every == 0
        if reports or progress.step % asks_every == 0:
            saves |= notice()
        if not (reports or saves):
            continue
        row: dict[str, Any] = {"step": progress.step, **meter.read(), **intake()}
        # The same on all ranks, as that number is.
        asks_every = max(1, int(_ASKS_EVERY_S / row["step_time_s"]))
        row["ranks"] = world.size
        row["global_batch_size"] = global_batch_size(experiment, world.size)
        for name, engine in method.engines.items():
            row[f"lr/{name}"] = engine.learning_rates[0]
        if evaluates:
            scores = evaluate()
            saves |= progress.score(scores)
            row |= scores.row()
        if report(row, save(progress) if saves else None, progress):
            return
