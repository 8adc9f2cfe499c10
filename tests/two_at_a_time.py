"""How `make test` deals tests out to its two processes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

_STARTS_RAY = ("ray_session", "ray.cluster_utils")


class OneRay(LoadScopeScheduling):  # type: ignore[misc]
    """All files that start Ray go to one process, which has one Ray for them; the rest is dealt.

    xdist's own groups are marks, which it tells by names that pytest 9.2 no longer lets it change.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "ray" if _starts_ray(nodeid.partition("::")[0]) else nodeid


@cache
def _starts_ray(file: str) -> bool:
    text = Path(file).read_text()
    return any(word in text for word in _STARTS_RAY)
