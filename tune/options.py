"""The sweep's flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.selection import COLLAPSE_SHARE


@dataclass(frozen=True, kw_only=True)
class Options:
    """Search loss weights and learning rates of an experiment by accuracy, or without labels.

    Without --experiment and --data the variables ADVENT_DIST_EXPERIMENT and ADVENT_DIST_DATA name
    them; without these, streets_advent is searched on shards that the sweep builds itself. The
    variable ADVENT_DIST_SET holds what comes before --set.
    """

    experiment: str | None = None
    """Experiment to search: a name (advent-dist train --list), NAME.py or NAME.py:FUNCTION, or the
    path of a run's config.json."""

    data: str | None = None
    """Folder or URL of the shards: `data.root`."""

    set: tuple[str, ...] = ()
    """Fields of every trial that differ from the experiment's, each PATH=VALUE."""

    space: tuple[str, ...] = ()
    """What is searched, each PATH=loguniform:LOW:HIGH, PATH=uniform:LOW:HIGH, PATH=choice:A:B or
    PATH=ratio:OTHER_PATH:LOW:HIGH. None takes the method's loss weights and learning rates."""

    search: Literal["random", "grid", "optuna"] = "random"
    """How values are chosen; the first trial always is the experiment's own point."""

    grid_points: int = 3
    """Values of each interval on a grid."""

    scheduler: Literal["asha", "none"] = "asha"
    """Whether hopeless trials are ended early."""

    num_trials: int | None = None
    """Trials, the published point among them; none: 16, or the whole grid."""

    max_steps: int | None = None
    """Optimiser steps of a whole trial; none takes the experiment's. The learning-rate schedule
    stays that of the experiment, so that a short trial is the beginning of a long one."""

    grace_steps: int | None = None
    """Steps before which no trial is ended; none takes max-steps / reduction-factor^2."""

    reduction_factor: int = 3
    """One in so many trials goes on at a rung; the next rung is so many times as far."""

    evaluate_every: int | None = None
    """Steps between two evaluations, a divisor of grace-steps; none takes the experiment's, or
    grace-steps where that is none."""

    metric: str = "auto"
    """What decides, among trials and checkpoints: target_miou, or without target labels
    source_miou, criterion/entropy, criterion/information_maximisation, criterion/snd or
    criterion/diversity; of detectors target_map and source_map in place of the first two, and no
    criterion/snd. auto is the experiment's run.select_by: target_miou (target_map) where
    data.evaluation has labels, else criterion/information_maximisation."""

    smoothing: int = 3
    """The median of so many of the latest evaluations decides."""

    collapse_share: float = COLLAPSE_SHARE
    """A trial is ended as collapsed when fewer than this share of its classes are left."""

    workers_per_trial: int | None = None
    """Ranks of a trial; none takes the experiment's. They make the batch larger."""

    cpus_per_trial: float | None = None
    """CPU cores of a whole trial; none takes the experiment's."""

    gpus_per_trial: float | None = None
    """GPUs of a whole trial; none takes the experiment's."""

    max_concurrent: int | None = None
    """Trials at a time; none: as many as the cluster holds."""

    fresh_processes: bool = False
    """Start each trial in processes of its own by Ray Train, as trials on GPUs always are, instead
    of reusing warm ones."""

    max_failures: int | None = None
    """How often a trial may go on from its checkpoint after a worker or node died; none: 3, or what
    --set cluster.max_failures says."""

    seeds_for_best: int = 3
    """Seeds over which the best and the published values and source-only are trained to the end
    and scored on `data.held_out`; 0 leaves that out."""

    keep_checkpoints: int = 3
    """Ended trials, the best ones, that keep their checkpoints."""

    time_budget: str | None = None
    """Time for the search over all its sessions, such as 90m or 8h; what runs then is ended at its
    next evaluation, and the final trainings follow."""

    storage: str | None = None
    """Folder or URL (s3://bucket/prefix) for the sweep folder; none takes the experiment's."""

    name: str | None = None
    """Name of the sweep folder; none: sweep-EXPERIMENT."""

    resume: bool = False
    """Go on with the sweep in that folder."""

    retry_failed: bool = False
    """With --resume: go on with trials that failed, too. Those that an outage interrupted are taken
    up in any case."""

    overwrite: bool = False
    """Delete what the sweep in that folder wrote, and nothing else; it is said what goes."""

    force: bool = False
    """Take the folder over from a command that is using it, which then ends."""

    seed: int = 0
    """Seed of the search. The trials' own seed is the experiment's `run.seed`."""

    price_per_hour: float | None = None
    """Price of a GPU (of a CPU core where trials have no GPU) for the report."""

    mlflow: str | None = None
    """URI of an MLflow tracking server to log the trials to."""

    address: str | None = None
    """Address of a running Ray cluster, such as `auto`; none starts Ray on this machine unless
    RAY_ADDRESS is set."""
