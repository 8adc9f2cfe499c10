"""What is made of a failed group of workers."""

from __future__ import annotations

from typing import Any

import pytest
from ray.exceptions import RayActorError
from ray.train import FailureConfig, WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError

from advent_dist.config import ClusterConfig
from advent_dist.errors import DataError, MissingError, UnavailableError
from cluster.failures import MistakesAreFinal, loss, mistake


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
