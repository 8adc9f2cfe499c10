"""Rank processes that outlive a trial: only the first one pays for imports."""

from __future__ import annotations

import contextlib
import gc
import socket
from dataclasses import asdict
from typing import Any

import ray
import ray.util
from ray.exceptions import RayError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from advent_dist.config import Experiment
from advent_dist.config.override import from_json, to_json
from advent_dist.data.classes import ClassSet
from advent_dist.training.progress import Progress
from cluster.failures import is_outage
from cluster.launch import worker_environment
from cluster.observer import Observer

_TOLD_WITHIN_S = 5.0
"""So soon Ray knows that a process has died."""


@ray.remote(max_restarts=0)
class Rank:
    """One process, a rank of one training after the other."""

    def __init__(self, threads: int) -> None:
        import torch

        import advent_dist.parallel.deepspeed
        import advent_dist.training.rank  # noqa: F401

        torch.set_num_threads(threads)

    def address(self) -> tuple[str, int]:
        """This node's address and a port that is free on it."""
        with socket.socket() as free:
            free.bind(("", 0))
            host: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
            return host, free.getsockname()[1]

    def train(
        self,
        rank: int,
        size: int,
        address: tuple[str, int],
        experiment: str,
        classes: ClassSet,
        observer: Observer,
    ) -> dict[str, Any]:
        """Train one rank from the run folder's latest checkpoint, or from scratch.

        Returns:
            The run's progress as a JSON-able dict.
        """
        from advent_dist.parallel.group import process_group
        from tune.training import train_in_process

        chosen = from_json(experiment)
        host, port = address
        with process_group(chosen.engine, rank=rank, size=size, address=host, port=port) as world:
            progress = train_in_process(chosen, classes, world, observer)
        gc.collect()
        return progress.to_json()

    def score(self, run: str, folder: str | None) -> dict[str, Any]:
        """See `score_run`."""
        return score_run(run, folder)


def score_run(run: str, folder: str | None) -> dict[str, Any]:
    """Evaluate a run's `last` and `best` checkpoint on a shard folder, labelled or not.

    Args:
        run: The run's folder.
        folder: Shards; None takes the images that the run was evaluated on.

    Returns:
        `last` and `best` with their evaluations, and `images` with the last one's `Overlaps`, None
        without labels, and of a detector.
    """
    # They load torch, which a trial's own process never does.
    from advent_dist.evaluation.counts import Evaluation
    from advent_dist.runs.scoring import score, score_images

    found = {which: score([run], which, folder) for which in ("last", "best")}
    images, last = None, found["last"]
    if isinstance(last, Evaluation) and last.accuracy is not None:
        (overlaps,), _ = score_images([[run]], "last", folder)
        images = asdict(overlaps)
    return {**{which: one.to_json() for which, one in found.items()}, "images": images}


def _raise_outage(waiting: list[Any]) -> None:
    """Raise the death of a rank, or what storage refused it: others may notice by that first."""
    ended, _ = (
        ray.wait(waiting, num_returns=len(waiting), timeout=_TOLD_WITHIN_S) if waiting else ([], [])
    )
    for error in map(_failure, ended):
        if error is not None and is_outage(error):
            raise error


def _failure(ended: Any) -> RayError | None:
    try:
        ray.get(ended)
    except RayError as error:
        return error
    return None


class WarmRanks:
    """As many `Rank`s as a trial has workers, in the bundles of the trial that runs this.

    They belong to the trial's process, which Ray Tune uses for one trial after the other, and end
    with it; the resources are those of Ray Tune's placement group, which frees them.
    """

    def __init__(self, experiment: Experiment) -> None:
        cluster = experiment.cluster
        group = ray.util.get_current_placement_group()
        assert group is not None, "Ray Tune runs each trial in a placement group"
        self._ranks = [
            Rank.options(  # type: ignore[attr-defined]
                # The trial's own process holds the first bundle's CPUs for its first rank.
                num_cpus=cluster.cpus_per_worker if rank else 0,
                runtime_env=worker_environment(cluster),
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    placement_group=group, placement_group_bundle_index=rank
                ),
            ).remote(max(1, int(cluster.cpus_per_worker)))
            for rank in range(cluster.workers)
        ]

    def train(
        self, experiment: Experiment, classes: ClassSet, observer: Observer, name: str
    ) -> Progress:
        """One training on all ranks.

        Raises:
            UserError: see `train_rank`.
            RayError: a rank's process died.
        """
        address = ray.get(self._ranks[0].address.remote())
        size = len(self._ranks)
        results = [
            actor.train.options(name=f"{name} rank {rank}").remote(
                rank, size, address, to_json(experiment), classes, observer
            )
            for rank, actor in enumerate(self._ranks)
        ]
        # In the order in which they end: the first to fail knows why, the others only that it did.
        waiting = results
        while waiting:
            done, waiting = ray.wait(waiting)
            try:
                ray.get(done)
            except RayError:
                _raise_outage(waiting)
                raise
        return Progress.from_json(ray.get(results[0]))

    def score(self, run: str, folder: str | None) -> dict[str, Any]:
        """See `score_run`."""
        result: dict[str, Any] = ray.get(self._ranks[0].score.remote(run, folder))
        return result

    def close(self) -> None:
        """End the processes."""
        for actor in self._ranks:
            with contextlib.suppress(RayError):
                ray.kill(actor)
