"""Predictions on a Ray cluster, through Ray Data: the same pictures as in one process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray.data

from advent_dist.config import ClusterConfig
from advent_dist.errors import DataError, UserError
from advent_dist.runs.prediction import Job, Outcome, Predictor
from advent_dist.runs.seen import SEEN
from cluster.capacity import require_room
from cluster.connection import ray_cluster
from cluster.launch import worker_environment

_CHUNK = 16
"""Images that a worker takes at a time: what a killed one did of them is done again."""


@contextmanager
def on_ray(
    job: Job, workers: int, gpus_per_worker: int, address: str | None
) -> Iterator[Callable[[Sequence[str]], Iterator[Outcome]]]:
    """Connect to a Ray cluster.

    Args:
        job: What is asked for; the workers reach its folders by the same paths and URLs.
        workers: Processes, of one CPU each.
        gpus_per_worker: That each of them has.
        address: The cluster's; none takes RAY_ADDRESS, and without it starts Ray on this machine.

    Yields:
        What segments images there; their order is not kept.

    Raises:
        ConfigError: there is no such cluster, or it has too little room and does not grow.
    """
    with ray_cluster(ClusterConfig(address=address)):
        require_room(workers, gpus_per_worker)

        def predict(names: Sequence[str]) -> Iterator[Outcome]:
            return _predict(job, names, workers, gpus_per_worker)

        yield predict


def _predict(
    job: Job, names: Sequence[str], workers: int, gpus_per_worker: int
) -> Iterator[Outcome]:
    if not names:
        return
    # It would draw its own bars over ours, and tell of its plans.
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    chunks = [names[first : first + _CHUNK] for first in range(0, len(names), _CHUNK)]
    rows = ray.data.from_items(
        [{"names": list(chunk)} for chunk in chunks], override_num_blocks=len(chunks)
    ).map_batches(
        _Worker,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(chunks))),
        num_cpus=1,
        num_gpus=gpus_per_worker,
        runtime_env=worker_environment(ClusterConfig(gpus_per_worker=gpus_per_worker)),
    )
    for row in rows.iter_rows():
        if row["ends_all"]:
            raise DataError(row["why"])
        seen = None if row["why"] else SEEN.validate_json(row["seen"])
        yield row["name"], DataError(row["why"]) if seen is None else seen


class _Worker:
    """The models, in a process of their own."""

    def __init__(self, job: Job) -> None:
        self._predictor: Predictor | UserError
        try:
            self._predictor = job.predictor()
        except UserError as error:
            self._predictor = error

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Segment a chunk; errors as rows, since Ray would wrap those that are raised."""
        rows: list[dict[str, Any]] = []
        try:
            if isinstance(self._predictor, UserError):
                raise self._predictor
            for name, outcome in self._predictor.predict([str(one) for one in batch["names"][0]]):
                if isinstance(outcome, DataError):
                    rows.append(_row(name=name, why=str(outcome)))
                else:
                    rows.append(_row(name=name, seen=SEEN.dump_json(outcome).decode()))
        except UserError as error:
            rows.append(_row(why=str(error), ends_all=True))
        return {key: [row[key] for row in rows] for key in _row()}


def _row(
    name: str = "", seen: str = "", why: str = "", *, ends_all: bool = False
) -> dict[str, Any]:
    return {"name": name, "seen": seen, "why": why, "ends_all": ends_all}
