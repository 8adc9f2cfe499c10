"""Sweeps of seconds, on a Ray that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import ray
from ray.util.placement_group import placement_group_table

from advent_dist.config.override import to_json
from tests.family import name_in
from tests.helpers import tiny_run
from tests.waiting import wait_until
from tune.options import Options
from tune.plan import make_plan
from tune.record import SweepRecord
from tune.sweep import run_sweep

_RANKS = (" rank ", "ray::Rank", "RayTrain")
"""In the names of ranks' processes."""


def small_sweep(shards: str, tmp_path: Path, storage: str | None = None, **changes: Any) -> Options:
    """A sweep of seconds: every trial may train 8 steps, evaluated every 2."""
    experiment = tiny_run(
        shards,
        "unused",
        data__held_out="held_out",
        data__cache_dir=str(tmp_path / "cache"),
        cluster__workers=1,
        run__evaluate_every=2,
    )
    path = tmp_path / "experiment.json"
    path.write_text(to_json(experiment))
    given: dict[str, Any] = {
        "experiment": str(path),
        "storage": storage or str(tmp_path),
        "name": "sweep",
        "num_trials": 4,
        "max_steps": 8,
        "grace_steps": 2,
        "reduction_factor": 2,
        "seeds_for_best": 0,
        # A tiny network on noise collapses all the time.
        "collapse_share": 0.0,
    }
    return Options(**{**given, **changes})


def run_and_let_go(options: Options) -> SweepRecord:
    record = run_sweep(make_plan(options), "python tune/search.py --resume")
    _nothing_is_held()
    return record


def _nothing_is_held() -> None:
    """No placement group, no actor, all CPUs free: what a stopped trial must leave behind."""
    groups = placement_group_table().values()  # type: ignore[no-untyped-call]
    assert [one for one in groups if one["state"] != "REMOVED"] == []
    wait_until(lambda: not _held(), within_s=20, said=_held)


def _held() -> list[str]:
    """CPUs in use, and processes of ranks that are still there."""
    there, free = ray.cluster_resources(), ray.available_resources()  # type: ignore[no-untyped-call]
    cpus = [f"{free.get('CPU', 0)} of {there['CPU']} CPUs are free"]
    family = psutil.Process().children(recursive=True)
    ranks = [name for one in family if any(word in (name := name_in(one)) for word in _RANKS)]
    return ranks + (cpus if free.get("CPU", 0) < there["CPU"] else [])
