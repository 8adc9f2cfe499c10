"""What stands behind a failed group of workers: a mistake of the user's, a loss, or a bug."""

from __future__ import annotations

import ray.train
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError
from ray.train.v2._internal.execution.failure_handling import (
    DefaultFailurePolicy,
    FailureDecision,
)
from ray.train.v2.api.exceptions import TrainingFailedError

from advent_dist.config import ClusterConfig
from advent_dist.errors import UnavailableError, UserError


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
    for failure in error.worker_failures.values():
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, UserError):
                return cause
            cause = cause.__cause__
    return None


def loss(error: ray.train.WorkerGroupError, cluster: ClusterConfig) -> UserError | None:
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
    return UserError(
        f"rank {ranks} of the run is lost, its process killed or its machine gone: {reason} With "
        f"cluster.max_failures = {cluster.max_failures} a run starts again no further time; resume "
        "it from its latest checkpoint, with --cluster.max-failures 3 or so"
    )
