"""A method's steps in a plain process, on batches that are in memory."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
import tyro

from advent_dist.config import Experiment
from advent_dist.config.override import from_json
from advent_dist.data.loader import TrainingLoader
from advent_dist.losses import poly_lr
from advent_dist.training.assembly import build_method
from advent_dist.types import DomainBatch
from benchmarks.one_rank import one_rank


@dataclass(frozen=True, kw_only=True)
class Options:
    """Whose steps."""

    config: Path
    """An experiment as JSON, which says how many steps are taken."""


def main() -> None:
    """Print when each step ended, by the clock and in CPU seconds, and its losses."""
    experiment = from_json(tyro.cli(Options).config.read_bytes())
    batches = _in_memory(experiment)
    optimizer, ended, cpu, losses = experiment.optimizer, [], [], []
    with one_rank(experiment.engine, threads=1) as world:
        method = build_method(experiment, world, torch.full((19,), 1 / 19))
        for step, batch in enumerate(batches):
            # The schedule, or the losses would not be those of a training.
            factor = poly_lr(1.0, step, optimizer.horizon, optimizer.power)
            for engine in method.engines.values():
                engine.set_lr_factor(factor)
            losses.append(method.step(batch))
            ended.append(time.time())
            cpu.append(time.process_time())
    values = [{name: float(value) for name, value in one.items()} for one in losses]
    sys.stdout.write(json.dumps({"ended": ended, "cpu": cpu, "losses": values}) + "\n")


def _in_memory(experiment: Experiment) -> list[DomainBatch]:
    """Those that a training of one rank is given; what has read them is gone."""
    loader: TrainingLoader[DomainBatch] = TrainingLoader(
        experiment.data, rank=0, world_size=1, seed=experiment.run.seed
    )
    try:
        # Copies, since readers use their memory again.
        return [
            replace(
                batch,
                source_image=batch.source_image.clone(),
                source_label=batch.source_label.clone(),
                target_image=batch.target_image.clone(),
            )
            for batch in islice(loader, experiment.run.steps)
        ]
    finally:
        loader.close()


if __name__ == "__main__":
    main()
