"""The one way in which every reader is timed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any


def timed(batches: Iterable[Any], samples: int) -> None:
    """Take batches until `samples` have come, and print the time as one JSON line.

    Args:
        batches: Each has its images first.
        samples: Labelled samples to take.
    """
    start = time.perf_counter()
    first_batch_s, taken = 0.0, 0
    for batch in batches:
        taken += len(batch[0])
        first_batch_s = first_batch_s or time.perf_counter() - start
        if taken >= samples:
            break
    seconds = time.perf_counter() - start
    print(json.dumps({"samples": taken, "seconds": seconds, "first_batch_s": first_batch_s}))
