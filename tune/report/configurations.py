"""What is retrained and compared: its configurations and what they are called."""

from __future__ import annotations

import json

from advent_dist.config import Experiment
from advent_dist.config.baseline import is_adapted
from advent_dist.config.override import from_json
from advent_dist.errors import ConfigError
from advent_dist.runs.folder import SWEEP_FILE
from tune.report.choice import best_trial
from tune.report.record import Sweep

TITLES = {"source_only": "source only", "published": "published point", "best": "best found"}
"""Configuration -> what it is called."""


def configurations(sweep: Sweep) -> dict[str, str]:
    """Those of a sweep, of which two may be one.

    Where nothing better was found than the published point, that is the best; where nothing is
    adapted, it is source-only.

    Returns:
        Key of `TITLES` -> what it is called in this sweep.
    """
    if _adapts_nothing(sweep):
        return {which: title for which, title in TITLES.items() if which != "published"}
    best = best_trial(sweep)
    trained_apart = any(final.which == "published" for final in sweep.finals)
    if best is None or not best.published or trained_apart:
        return TITLES
    return {
        "source_only": TITLES["source_only"],
        "best": f"{TITLES['published']}, {TITLES['best']}",
    }


def experiment_of(sweep: Sweep) -> Experiment:
    """The run that is varied.

    Raises:
        ConfigError: it is of another version, or damaged.
    """
    return from_json(json.dumps(sweep.experiment), f"{sweep.url}/{SWEEP_FILE}")


def _adapts_nothing(sweep: Sweep) -> bool:
    """Not said of a sweep whose config is of another version."""
    try:
        return not is_adapted(experiment_of(sweep))
    except ConfigError:
        return False
