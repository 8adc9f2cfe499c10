"""How many images make one optimiser step, and on how many ranks that can be had."""

from __future__ import annotations

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.errors import ConfigError


def for_ranks(experiment: Experiment, ranks: int) -> Experiment:
    """The experiment as `ranks` ranks run it, with the accumulation that its global batch needs.

    Args:
        experiment: The whole config.
        ranks: Number of processes that train.

    Returns:
        A config with `engine.gradient_accumulation_steps` set and no `run.global_batch_size`.

    Raises:
        ConfigError: the global batch can't be divided by so many ranks.
    """
    batch = experiment.run.global_batch_size
    if batch is None:
        return experiment
    per_rank = experiment.data.batch_size_per_rank
    accumulation, rest = divmod(batch, per_rank * ranks)
    if rest:
        raise ConfigError(
            f"run.global_batch_size = {batch} is no multiple of {per_rank * ranks} = "
            f"data.batch_size_per_rank {per_rank} x {ranks} workers; make it one, or change "
            "data.batch_size_per_rank or cluster.workers"
        )
    return override(
        experiment,
        {"run.global_batch_size": None, "engine.gradient_accumulation_steps": accumulation},
    )


def global_batch_size(experiment: Experiment, ranks: int) -> int:
    """Images of each domain in one optimiser step, of a config that is `for_ranks`."""
    accumulation = experiment.engine.gradient_accumulation_steps
    return experiment.data.batch_size_per_rank * ranks * accumulation


def allowed_ranks(experiment: Experiment) -> list[int]:
    """The numbers of workers that the run may have, ascending.

    Returns:
        From `cluster.min_workers` to `cluster.workers` those that divide the global batch; without
        `min_workers`, `cluster.workers` alone.

    Raises:
        ConfigError: `cluster.workers` does not divide it.
    """
    most, batch = experiment.cluster.workers, experiment.run.global_batch_size
    for_ranks(experiment, most)
    fewest = experiment.cluster.min_workers or most
    per_rank = experiment.data.batch_size_per_rank
    return [
        ranks
        for ranks in range(fewest, most + 1)
        if batch is None or batch % (per_rank * ranks) == 0
    ]
