"""Several ways to do the same, in turn and in one process, so that all have the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def cpu_seconds(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each way in each round, after one that does not count.

    With one thread they do not depend on what else the machine does, other than by its caches.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            if number:
                taken[name].append(time.process_time() - begun)
    return taken


def ratio(taken: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    """One way over another: the median over the rounds."""
    return statistics.median(a / b for a, b in zip(taken[one], taken[other], strict=True))
