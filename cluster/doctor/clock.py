"""Clocks: how far each node's is from this machine's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cluster.doctor.finding import Finding, failure, ok, warning

_ROUNDS = 5
_SHOWS_S = 1.0
"""From here on, logs and ages of checkpoints mislead."""

_FAILS_S = 300.0
"""S3 refuses requests that are signed 15 minutes off (RequestTimeTooSkewed); a drifting clock that
is a third of the way there is broken."""


@dataclass(frozen=True, kw_only=True)
class Offset:
    """How far a clock is ahead of this machine's."""

    seconds: float
    """Negative if it is behind."""

    error_s: float
    """Half the time that the question took: the answer may be off by as much."""


def measure_offset(ask: Callable[[], float]) -> Offset:
    """Compare a clock with this machine's, as NTP does; of several rounds the quickest counts.

    Args:
        ask: Returns the other machine's `time.time()`.
    """
    offsets = []
    for _ in range(_ROUNDS):
        before = time.time()
        there = ask()
        after = time.time()
        middle = (before + after) / 2
        offsets.append(Offset(seconds=there - middle, error_s=(after - before) / 2))
    return min(offsets, key=lambda offset: offset.error_s)


def judge_clocks(nodes: Mapping[str, Offset]) -> list[Finding]:
    """Whether the clocks agree.

    Args:
        nodes: Name of a node -> its clock's offset.
    """
    findings = []
    for node, offset in nodes.items():
        off = max(abs(offset.seconds) - offset.error_s, 0)
        ahead = "ahead of" if offset.seconds > 0 else "behind"
        said = f"its clock is {abs(offset.seconds):.1f} s {ahead} this machine's"
        fix = "set the clock there: timedatectl set-ntp true, or chronyc makestep"
        if off > _FAILS_S:
            findings.append(failure("clock", node, f"{said}; S3 refuses skewed requests", fix))
        elif off > _SHOWS_S:
            findings.append(warning("clock", node, said, fix))
    most = max((abs(offset.seconds) for offset in nodes.values()), default=0)
    return findings or [ok("clock", f"{len(nodes)} nodes", f"within {most:.2f} s of this machine")]
