"""The connection to a Ray cluster: the running one, or one of this machine's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import ray
import ray._private.utils

from advent_dist.config import ClusterConfig
from advent_dist.errors import ConfigError
from advent_dist.interruption import held
from cluster.address import why_unreachable
from cluster.temporary import why_unfit


def ends_with_us() -> bool:
    """Whether the Ray that this process is connected to is one that it has started, and will end.

    No nodes come or go then.
    """
    return _ours


_ours = False


def starts_its_own(config: ClusterConfig) -> bool:
    """Whether `ray_cluster` starts a Ray for the occasion, rather than join one."""
    return not ray.is_initialized() and _address(config) is None


def _address(config: ClusterConfig) -> str | None:
    return config.address or os.environ.get("RAY_ADDRESS") or None


@contextmanager
def ray_cluster(config: ClusterConfig) -> Iterator[None]:
    """A connection to the configured Ray cluster; one started for the occasion is stopped again.

    Raises:
        ConfigError: no cluster answers at the address, or it refuses, or none can be started here.
    """
    if ray.is_initialized():
        yield
        return
    # The defaults take one report in two seconds and run workers at niceness 15.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Processes that Ray starts in advance have another environment than a run's workers.
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    address = _address(config)
    # Workers' output stays in Ray's log files: what a user must know is raised, or on the board.
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with nullcontext() if address else _our_own():
        if address:
            _join(address, quiet)
        else:
            _start(quiet)
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _our_own() -> Iterator[None]:
    """Of a Ray of this process: runs have no actor that asks every few seconds which nodes will go.

    Nobody calls this machine back. Who has set Ray's variable for it knows better.
    """
    global _ours
    name = "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"
    theirs = os.environ.get(name)
    os.environ.setdefault(name, "0")
    _ours = True
    try:
        yield
    finally:
        _ours = False
        if theirs is None:
            del os.environ[name]


def _join(address: str, quiet: dict[str, Any]) -> None:
    """Join the cluster at an address."""
    try:
        if reason := why_unreachable(address):
            raise ConnectionError(reason)
        with _no_handler_of_ray():
            ray.init(address=address, **quiet)
    # No address, nobody there, or one with another version of Ray or Python: each way of connecting
    # raises errors of its own.
    except Exception as error:
        raise ConfigError(
            f"no connection to a Ray cluster at {address!r}: start one there (ray start), or "
            f"correct the address (--cluster.address, --address or RAY_ADDRESS); where it asks "
            f"for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH ({_in_a_line(error)})"
        ) from error


def _start(quiet: dict[str, Any]) -> None:
    """Start one, not join one that somebody else has started here, as Ray would by default."""
    if unfit := why_unfit():
        raise ConfigError(f"{unfit.reason}; {unfit.fix}")
    try:
        # Interrupted, Ray would not know which of its processes to end.
        with _no_handler_of_ray(), held():
            ray.init(address="local", include_dashboard=False, **quiet)
    except KeyboardInterrupt:
        ray.shutdown()
        raise
    # Its processes need room, ports and rights, and say in many ways which of these they lack.
    except Exception as error:
        # What has started of it.
        ray.shutdown()
        raise ConfigError(
            f"Ray does not start on this machine ({_in_a_line(error)}); see that TMPDIR (or "
            "RAY_TMPDIR) and /dev/shm are writable and have room (advent-dist doctor), or join a "
            "cluster that runs (--cluster.address)"
        ) from error


@contextmanager
def _no_handler_of_ray() -> Iterator[None]:
    """`ray.init` would have SIGTERM end the process with 15, there and then, from now on."""
    theirs = ray._private.utils.set_sigterm_handler
    ray._private.utils.set_sigterm_handler = lambda _: None
    try:
        yield
    finally:
        ray._private.utils.set_sigterm_handler = theirs


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
