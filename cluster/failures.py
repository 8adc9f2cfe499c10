"""What stands behind a failed training: a mistake of the user's, an outage, or a bug."""

from __future__ import annotations

from collections.abc import Iterator

import ray.train
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, RayTaskError
from ray.train.v2._internal.exceptions import (
    InsufficientClusterResourcesError,
    WorkerGroupStartupFailedError,
    WorkerGroupStartupTimeoutError,
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)
from ray.train.v2._internal.execution.failure_handling import (
    DefaultFailurePolicy,
    FailureDecision,
)
from ray.train.v2.api.exceptions import ControllerError, PreemptionError, TrainingFailedError

from advent_dist.config import ClusterConfig
from advent_dist.errors import LostError, UnavailableError, UserError

_DEATHS = (
    LostError,
    # Ray ends processes of a node that runs out of memory, and says so by an error of its own.
    *(RayActorError, NodeDiedError, OutOfMemoryError),
    *(WorkerHealthCheckFailedError, WorkerHealthCheckTimeoutError, PreemptionError),
    # There is no room any more for the workers that are to take the places of lost ones.
    *(WorkerGroupStartupFailedError, WorkerGroupStartupTimeoutError),
    InsufficientClusterResourcesError,
)


class MistakesAreFinal(DefaultFailurePolicy):
    """Ray Train's policy, but that a run is not started again to meet the same mistake."""

    def make_decision(self, training_failed_error: TrainingFailedError) -> FailureDecision:
        """Whether the run ends with this failure."""
        if isinstance(training_failed_error, ray.train.WorkerGroupError):
            known = mistake(training_failed_error)
            if known is not None and not isinstance(known, UnavailableError):
                return FailureDecision.RAISE
        return super().make_decision(training_failed_error)


def mistake(error: ray.train.WorkerGroupError) -> UserError | None:
    """The user's mistake behind a failed worker group, if it is one."""
    return next((one for one in _behind(error) if isinstance(one, UserError)), None)


def is_death(error: BaseException) -> bool:
    """Whether processes or machines went, rather than an exception was raised in one."""
    return any(isinstance(one, _DEATHS) for one in _behind(error))


def is_outage(error: BaseException) -> bool:
    """Whether what a training rests on was away: processes, machines or the storage.

    The same training may go well later. All other failures are its own: they come again.
    """
    return is_death(error) or any(isinstance(one, UnavailableError) for one in _behind(error))


def _behind(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was made of, here or by Ray."""
    yield error
    inner: list[BaseException | None] = [error.__cause__]
    if isinstance(error, RayTaskError):
        inner.append(error.cause)
    elif isinstance(error, ray.train.WorkerGroupError):
        inner += error.worker_failures.values()
    elif isinstance(error, ControllerError):
        inner.append(error.controller_failure)
    for one in inner:
        if one is not None:
            yield from _behind(one)


def loss(error: ray.train.WorkerGroupError, cluster: ClusterConfig) -> LostError | None:
    """What to say of workers that are gone, with their processes or machines."""
    # The others may have noticed before Ray has: by an error of what they were doing with it.
    lost = [
        (rank, str(failure))
        for rank, failure in sorted(error.worker_failures.items())
        if isinstance(failure, WorkerHealthCheckFailedError)
    ]
    if not lost:
        return None
    ranks = ", ".join(str(rank) for rank, _ in lost)
    reason = lost[0][1].strip().splitlines()[-1]
    return LostError(
        f"rank {ranks} of the run is lost, its process killed or its machine gone: {reason} With "
        f"cluster.max_failures = {cluster.max_failures} a run starts again no further time; resume "
        "it from its latest checkpoint, with --cluster.max-failures 3 or so"
    )
