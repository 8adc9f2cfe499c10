"""Worker nodes that are on their way: `ray up` returns before they have joined."""

from __future__ import annotations

import sys
import time

import ray

from cluster.autoscaled import at_least
from cluster.capacity import HEAD

_PATIENCE_S = 60.0


def wait_for_workers() -> None:
    """Wait for the workers that the cluster file always wants, and say so; not for lost ones."""
    expected, deadline = at_least(), time.monotonic() + _PATIENCE_S
    if (there := _num_workers()) < expected:
        sys.stderr.write(
            f"-- {there} of {expected} workers have joined; waiting {_PATIENCE_S:.0f} s at most\n"
        )
    while _num_workers() < expected and time.monotonic() < deadline:
        time.sleep(1)


def _num_workers() -> int:
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return sum(node["Alive"] and HEAD not in node["Resources"] for node in nodes)
