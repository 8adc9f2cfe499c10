"""Ray Serve with a model's workers, for as long as it is needed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import ray
from ray import serve
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, LoggingConfig

from advent_dist.config import ClusterConfig
from advent_dist.errors import ConfigError, LostError
from advent_dist.printable import printable
from advent_dist.runs.serving.answer import Answer, Answerer, refusal
from cluster.capacity import require_room
from cluster.connection import ray_cluster
from cluster.serving.app import Ask
from cluster.serving.options import ServeOptions
from cluster.serving.replica import Replica

_NAME = "advent_dist"
_QUIET = LoggingConfig(log_level="ERROR", enable_access_log=False)


class Deployed(NamedTuple):
    """Workers that are ready."""

    ask: Ask
    """Asks one of them."""

    works: Callable[[], bool]
    """Whether they are there."""


@contextmanager
def deployed(answerer: Answerer, options: ServeOptions) -> Iterator[Deployed]:
    """Start Ray on this machine, and the workers.

    Raises:
        ConfigError: Ray does not start, or the machine has too little room.
        LostError: the workers do not start.
    """
    if "RAY_ADDRESS" in os.environ:
        raise ConfigError(
            f"RAY_ADDRESS = {os.environ['RAY_ADDRESS']!r}: serve starts Ray on this machine alone; "
            "unset it"
        )
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    with ray_cluster(ClusterConfig()):
        require_room(options.workers, options.gpus_per_worker)
        yield _deploy(answerer, options)  # which ends with Ray


def _deploy(answerer: Answerer, options: ServeOptions) -> Deployed:
    # Its own HTTP server receives a body of any length into a queue that has no bound.
    serve.start(proxy_location="Disabled", logging_config=_QUIET)
    together = options.images_together
    in_replicas = serve.deployment(
        num_replicas=options.workers,
        # While a batch is computed, the next one is decoded.
        max_ongoing_requests=2 * together,
        ray_actor_options={"num_cpus": 1, "num_gpus": options.gpus_per_worker},
    )
    model, on_gpu = [ray.put(answerer)], options.gpus_per_worker > 0
    try:
        handle = serve.run(
            in_replicas(Replica).bind(model, on_gpu, together, options.most_pixels),
            name=_NAME,
            route_prefix=None,
            logging_config=_QUIET,
        )
    except (RuntimeError, RayError) as error:
        raise LostError(
            f"the workers do not start ({' '.join(str(error).split())}); see that there is room "
            "for the model in memory"
        ) from error

    async def ask(data: bytes, kind: str) -> Answer:
        try:
            answer: Answer = await handle.remote(data, kind)
        except RayTaskError as error:
            sys.stderr.write(printable(f"-- a worker failed at an image: {error.cause!r}\n"))
            return refusal(500, "a worker failed at this image; the server's output says how")
        except (RayError, RayServeException) as error:
            sys.stderr.write(printable(f"-- a worker is gone: {' '.join(str(error).split())}\n"))
            return refusal(503, "the worker that had the image is gone; send it again")
        return answer

    def works() -> bool:
        return serve.status().applications[_NAME].status == ApplicationStatus.RUNNING

    return Deployed(ask, works)
