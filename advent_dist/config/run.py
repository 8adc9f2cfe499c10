"""Length, outputs and intervals of a run."""

from __future__ import annotations

from dataclasses import dataclass

from advent_dist.config.require import require, require_inside, require_no_secret
from advent_dist.config.selection import SelectBy


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How long a run is, what it writes and when."""

    name: str | None = None
    """Name of the run folder; none takes the experiment's name."""

    storage: str = "runs"
    """Folder or URL (s3://bucket/prefix) that holds the run folders, shared by all hosts."""

    steps: int
    """Optimiser steps at which the run ends."""

    global_batch_size: int | None = None
    """Images of each domain in one optimiser step of all ranks together, whatever their number: the
    accumulation follows from it. None leaves both to data.batch_size_per_rank, cluster.workers and
    engine.gradient_accumulation_steps."""

    seed: int = 1234
    """Seed of the initial weights, the sample order and the augmentations."""

    select_by: SelectBy = "auto"
    """What chooses the best checkpoint. auto: target_miou, or target_map of a detector, where
    data.evaluation has labels, else criterion/information_maximisation. All but these two need no
    target label."""

    report_every: int = 10
    """Optimiser steps between two lines of metrics."""

    evaluate_every: int = 2000
    """Optimiser steps between two evaluations; the last step is always evaluated."""

    checkpoint_every: int = 2000
    """Optimiser steps between two checkpoints; the last step and each new best are always kept."""

    keep_checkpoints: int = 2
    """So many of the latest checkpoints are kept, and the best one: a damaged one falls back to the
    one before."""

    def __post_init__(self) -> None:
        for name in ("steps", "report_every", "evaluate_every", "checkpoint_every"):
            value = getattr(self, name)
            require(value >= 1, f"run.{name}", value, "must be at least 1 step")
        kept = self.keep_checkpoints
        require(
            kept >= 1, "run.keep_checkpoints", kept, "the latest one is always kept; at least 1"
        )
        batch = self.global_batch_size
        require(batch is None or batch >= 1, "run.global_batch_size", batch, "at least 1 image")
        require_no_secret("run.storage", self.storage)
        require(self.seed >= 0, "run.seed", self.seed, "must be 0 or more")
        require_inside("run.name", self.name)
