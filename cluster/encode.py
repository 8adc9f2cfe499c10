"""Encoding of shards on a Ray cluster: the same bytes as on one machine, in more processes."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray

from advent_dist.config import ClusterConfig
from advent_dist.errors import ConfigError, DataError
from cluster.connection import ray_cluster
from shards.dataset import Item
from shards.encode import EncodeAll, Encoded, Encoder, in_order

_TASKS_PER_CPU = 2
"""One that runs and one that waits, so that no CPU waits for the driver."""


@contextmanager
def on_ray(address: str | None) -> Iterator[EncodeAll]:
    """Connect to a Ray cluster.

    Args:
        address: The cluster's; none takes RAY_ADDRESS, and without it starts Ray on this machine.

    Yields:
        A way to encode there.

    Raises:
        ConfigError: there is no such cluster.
    """
    with ray_cluster(ClusterConfig(address=address)):
        yield _encode_all


def _encode_all(encoder: Encoder, items: Sequence[Item]) -> Iterator[Encoded]:
    cpus = int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
    if cpus == 0:
        raise ConfigError("shards build --ray: the cluster has no CPUs; add nodes that have some")

    def submit(chunk: Sequence[Item]) -> Any:
        return _encode_chunk.remote(encoder, chunk)

    return in_order(items, submit, _collect, ahead=_TASKS_PER_CPU * cpus)


# Encoding the same chunk again gives the same bytes, so a lost node costs its tasks' time alone.
@ray.remote(num_cpus=1, max_retries=-1, scheduling_strategy="SPREAD")
def _encode_chunk(encoder: Encoder, items: Sequence[Item]) -> list[Encoded] | DataError:
    """The encoded chunk; a DataError as a value, since Ray would wrap one that is raised."""
    try:
        return encoder.encode_chunk(items)
    except DataError as error:
        hint = ""
        if isinstance(error.__cause__, FileNotFoundError):
            hint = (
                "; with --ray, every node must see SRC at this path: put it on a file system that "
                "all nodes share, or build without --ray"
            )
        return DataError(f"node {socket.gethostname()}: {error}{hint}")


def _collect(task: Any) -> list[Encoded]:
    result: list[Encoded] | DataError = ray.get(task)
    if isinstance(result, DataError):
        raise result
    return result
