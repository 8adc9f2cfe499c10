"""What reading took: bytes, requests, retries, cache hits, skipped samples."""

from __future__ import annotations

import threading
from collections import Counter

Traffic = Counter[str]
"""Count of each of `COUNTS`."""

BYTES, REQUESTS, RETRIES = "read_bytes", "read_requests", "read_retries"
CACHE_HITS, CACHE_MISSES, CACHE_ERRORS = "cache_hits", "cache_misses", "cache_errors"
SKIPPED = "skipped_samples"

COUNTS = (BYTES, REQUESTS, RETRIES, CACHE_HITS, CACHE_MISSES, CACHE_ERRORS, SKIPPED)
"""Bytes and requests are those of storage; hits and misses are blocks; errors are blocks that the
cache could not keep, for want of space or rights."""


class Tally:
    """Counts of one process; its threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Traffic = Counter()

    def __reduce__(self) -> tuple[type[Tally], tuple[()]]:
        return Tally, ()  # another process counts for itself

    def add(self, name: str, count: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._counts[name] += count

    def update(self, traffic: Traffic) -> None:
        """Count all of it."""
        with self._lock:
            self._counts.update(traffic)

    def take(self) -> Traffic:
        """What was counted since the last call."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken
