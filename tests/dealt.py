"""How tests are dealt out to the processes of one call."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

_SWEEPS = "tests.small_sweeps"
_STARTS_RAY = ("ray_session", "ray.cluster_utils")
_SHARES_A_FIXTURE = 'scope="module"'


class ByRay(LoadScopeScheduling):  # type: ignore[misc]
    """Sweeps go to one process, all other files that start Ray to one; the rest is dealt.

    Each of the two has one Ray for all of its files.

    Files whose tests share what one of them made stay whole: it would be made in each process.

    xdist's own groups are marks, which it tells by names that pytest 9.2 no longer lets it change.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        text = _text(file)
        if _SWEEPS in text:
            return "sweeps"
        if any(word in text for word in _STARTS_RAY):
            return "ray"
        return file if _SHARES_A_FIXTURE in text else nodeid


@cache
def _text(file: str) -> str:
    return Path(file).read_text()
