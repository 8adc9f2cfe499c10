"""What is made of a failed group of workers."""

from __future__ import annotations

from typing import Any

import pytest
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError
from ray.train import FailureConfig, WorkerGroupError
from ray.train.v2._internal.exceptions import (
    WorkerGroupStartupTimeoutError,
    WorkerHealthCheckFailedError,
)
from ray.train.v2.api.exceptions import ControllerError

from advent_dist.config import ClusterConfig
from advent_dist.errors import DataError, DivergedError, LostError, MissingError, UnavailableError
from cluster.failures import MistakesAreFinal, is_outage, loss, mistake


def _failed(*causes: BaseException) -> WorkerGroupError:
    return WorkerGroupError("failed", dict(enumerate(causes)))  # type: ignore[arg-type]


def _caused_by(cause: BaseException | None) -> RuntimeError:
    error = RuntimeError("from a worker")
    error.__cause__ = cause
    return error


def test_the_users_mistake_is_found_behind_a_failure() -> None:
    wrong: Any = DataError("shard 3 is damaged")
    assert mistake(_failed(wrong)) is wrong
    assert mistake(_failed(_caused_by(_caused_by(wrong)))) is wrong
    assert mistake(_failed(_caused_by(None), _caused_by(wrong))) is wrong


def test_other_failures_are_no_mistakes_of_the_user() -> None:
    assert mistake(_failed(_caused_by(ValueError("a bug")))) is None


def test_a_lost_worker_is_told_in_one_message() -> None:
    """As Ray says it where a rank's process or machine has gone."""
    gone = WorkerHealthCheckFailedError("actor died", RayActorError())
    cluster = ClusterConfig(max_failures=2)
    told = loss(_failed(RuntimeError("connection closed by peer"), gone), cluster)
    assert told is not None
    assert "rank 1 of the run is lost" in str(told)
    assert "cluster.max_failures = 2" in str(told)
    assert loss(_failed(ValueError("a bug")), cluster) is None


@pytest.mark.parametrize(
    ("cause", "decision"),
    [
        (DataError("label 200 is out of range"), "RAISE"),
        (MissingError("no such shard"), "RAISE"),
        (UnavailableError("the server does not answer"), "RETRY"),
        (ValueError("a bug"), "RETRY"),
        (WorkerHealthCheckFailedError("actor died", RayActorError()), "RETRY"),
    ],
)
def test_a_mistake_is_not_tried_again(cause: Exception, decision: str) -> None:
    policy = MistakesAreFinal(FailureConfig(max_failures=-1))
    assert policy.make_decision(_failed(cause)).value == decision


def _by_ray(cause: Exception) -> RayTaskError:
    """As `ray.get` raises what an actor's method has raised."""
    return RayTaskError("train", "traceback", cause)


AWAY = UnavailableError("the server does not answer")


@pytest.mark.parametrize(
    "error",
    [
        AWAY,
        _by_ray(AWAY),
        _by_ray(AWAY).as_instanceof_cause(),
        _by_ray(_caused_by(AWAY)),
        _failed(ValueError("connection closed by peer"), _caused_by(AWAY)),
        RayActorError(),
        OutOfMemoryError("95 % of the node is used"),
        LostError("rank 1 is lost"),
        _failed(WorkerHealthCheckFailedError("actor died", RayActorError())),
        ControllerError(WorkerGroupStartupTimeoutError(2)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_comes_from_outside_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        _by_ray(DivergedError("loss/seg is nan")),
        _by_ray(DataError("label 200 is out of range")).as_instanceof_cause(),
        _failed(_caused_by(MissingError("no such shard"))),
        ControllerError(ValueError("a bug")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_trainings_own_failure_is_none(error: Exception) -> None:
    assert not is_outage(error)
