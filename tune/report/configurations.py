"""What is retrained and compared: its configurations and what they are called."""

from __future__ import annotations

from tune.report.choice import best_trial
from tune.report.record import Sweep

TITLES = {"source_only": "source only", "published": "published point", "best": "best found"}
"""Configuration -> what it is called."""


def configurations(sweep: Sweep) -> dict[str, str]:
    """Those of a sweep; where nothing better was found than the published point, that is the best.

    Returns:
        Key of `TITLES` -> what it is called in this sweep.
    """
    best = best_trial(sweep)
    trained_apart = any(final.which == "published" for final in sweep.finals)
    if best is None or not best.published or trained_apart:
        return TITLES
    return {
        "source_only": TITLES["source_only"],
        "best": f"{TITLES['published']}, {TITLES['best']}",
    }
