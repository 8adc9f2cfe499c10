"""A run's metrics as Ray's own, which the dashboard and Prometheus read."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from urllib.parse import quote

from ray.util.metrics import Gauge

CHECKPOINT_TIME = "checkpoint_unix_s"
"""When the latest checkpoint was stored. Not its age, which would stand still in a run that hangs:
`time() - ray_advent_dist_checkpoint_unix_s` is that."""


class RayMetrics:
    """One gauge a metric, `advent_dist_target_miou` and so on, tagged with the run's label.

    What of the label is not ASCII is percent-encoded in UTF-8, as in a URL.
    """

    def __init__(self, run: str) -> None:
        # Ray takes no tags but ASCII.
        self._run = quote(run, safe=string.printable)
        self._gauges: dict[str, Gauge] = {}

    def show(self, row: Mapping[str, float]) -> None:
        """Set the gauges to the newest row of metrics."""
        for name, value in row.items():
            if name not in self._gauges:
                self._gauges[name] = Gauge(
                    "advent_dist_" + re.sub(r"\W", "_", name),
                    description=f"{name} of a run of advent_dist",
                    tag_keys=("run",),
                )
            self._gauges[name].set(value, tags={"run": self._run})
