"""The connection to a Ray cluster: the running one, or one of this machine's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from advent_dist.config import ClusterConfig
from advent_dist.errors import ConfigError
from cluster.address import why_unreachable


@contextmanager
def ray_cluster(config: ClusterConfig) -> Iterator[None]:
    """A connection to the configured Ray cluster; one started for the occasion is stopped again.

    Raises:
        ConfigError: no cluster answers at the address, or it refuses.
    """
    if ray.is_initialized():
        yield
        return
    # The defaults take one report in two seconds and run workers at niceness 15.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = config.address or os.environ.get("RAY_ADDRESS")
    # Workers' output stays in Ray's log files: what a user must know is raised, or on the board.
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        try:
            if reason := why_unreachable(address):
                raise ConnectionError(reason)
            ray.init(address=address, **quiet)
        # No address, nobody there, or one with another version of Ray or Python.
        except (ValueError, ConnectionError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(
                f"no connection to a Ray cluster at {address!r}: start one there (ray start), or "
                f"correct the address (--cluster.address, --address or RAY_ADDRESS); where it asks "
                f"for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH ({reason})"
            ) from error
    else:
        # Not one that somebody else has started on this machine, as Ray would by default.
        ray.init(address="local", include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()
