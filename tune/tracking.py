"""A sweep's trials as runs of MLflow, which may fail without ending the sweep."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from ray.air.integrations.mlflow import MLflowLoggerCallback

from advent_dist.errors import ConfigError
from cluster.address import why_no_connection
from cluster.aside import Aside
from tune.plan import Plan

_WHAT = "MLflow"
_PORTS = {"http": 80, "https": 443}


class MLflowRuns(MLflowLoggerCallback):
    """Ray's own logger to MLflow: one run a trial, its evaluations as metrics."""

    def __init__(self, uri: str, experiment_name: str) -> None:
        super().__init__(tracking_uri=uri, experiment_name=experiment_name)
        self._aside = Aside()

    def begin(self) -> None:
        """Open the experiment there; to be called before the sweep starts.

        Raises:
            ConfigError: nobody answers there, or refuses.
        """
        # MLflow asks for minutes, in which the sweep would stand still.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        try:
            if reason := why_unreachable(str(self.tracking_uri)):
                raise ConnectionError(reason)
            super().setup()  # type: ignore[no-untyped-call]
        # Whatever its stores raise: HTTP, SQL or files.
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ConfigError(
                f"--mlflow {self.tracking_uri}: {reason}; correct the address, start the server "
                "there, or leave it out"
            ) from error

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """See Ray Tune's `Callback`: `begin` has done it."""

    def log_trial_start(self, trial: Any) -> None:
        """See `LoggerCallback`."""
        with self._aside(_WHAT):
            super().log_trial_start(trial)

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """See `LoggerCallback`."""
        with self._aside(_WHAT):
            super().log_trial_result(iteration, trial, result)

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """See `LoggerCallback`."""
        with self._aside(_WHAT):
            super().log_trial_end(trial, failed)


def tracking(plan: Plan) -> list[MLflowRuns]:
    """The sweep's logger to MLflow, ready; none where none is asked for.

    Raises:
        ConfigError: nobody answers there, or refuses.
    """
    if plan.options.mlflow is None:
        return []
    runs = MLflowRuns(plan.options.mlflow, plan.name)
    runs.begin()
    return [runs]


def why_unreachable(uri: str) -> str:
    """Why nobody answers at an HTTP address, or nothing."""
    parts = urlsplit(uri)
    # Through a proxy the address itself need not be reachable from here.
    if parts.scheme not in _PORTS or parts.scheme in getproxies():
        return ""
    return why_no_connection(str(parts.hostname), parts.port or _PORTS[parts.scheme])
