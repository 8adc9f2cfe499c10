"""Builds, runs and sweeps against a bucket, every tenth request for which breaks.

    python -m tests.soak --minutes 10

The same is done once without faults, and then again and again with them. What is stored has to be
equal: every byte of the shards, each loss and score, the weights, the names of all files.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from advent_dist.config import ClusterConfig
from advent_dist.config.override import to_json
from advent_dist.data.store import Folder, open_folder
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.scoring import score
from advent_dist.runs.status import find_runs
from cluster.connection import ray_cluster
from cluster.launch import launch
from shards.local_s3 import local_s3
from shards.options import BuildOptions
from shards.streets.reader import Streets
from shards.write import build
from tests.fault_proxy import VERBS, broken, every_tenth, fault_proxy
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import examples, write_shards
from tune.options import Options
from tune.plan import make_plan
from tune.sweep import run_sweep

DATA = "s3://bucket/data"
_OF_SPEED = ("step_time", "_per_s", "wait_fraction", "read_", "cache_")
"""Metrics that differ from run to run have this in their names."""


@dataclass(frozen=True, kw_only=True)
class Soak:
    """Builds, runs and sweeps against a bucket, every tenth request for which breaks."""

    minutes: float = 10.0
    """A round that has begun by then is finished."""


def main() -> int:
    options = tyro.cli(Soak, prog="python -m tests.soak")
    os.environ.pop("RAY_ADDRESS", None)
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder, "s3")
        (served / "bucket").mkdir(parents=True)
        with (
            local_s3(served) as environment,
            fault_proxy(environment["AWS_ENDPOINT_URL"]) as proxy,
        ):
            os.environ |= {**environment, "AWS_ENDPOINT_URL": proxy.endpoint}
            write_tiny_shards(DATA)
            write_shards(f"{DATA}/held_out", examples(7, size=(64, 64), prefix="h"))
            with ray_cluster(ClusterConfig()):
                expected = _round("s3://bucket/expected", Path(folder))
                rounds, faults = 0, every_tenth()
                start = time.monotonic()
                while time.monotonic() - start < 60 * options.minutes:
                    place = f"s3://bucket/{rounds}"
                    with broken(proxy, faults):
                        found = _round(place, Path(folder))
                    if not _is_same(found, expected):
                        return 1
                    open_folder(place).delete()
                    rounds += 1
    minutes = (time.monotonic() - start) / 60
    sys.stdout.write(f"{rounds} rounds in {minutes:.1f} minutes, all equal to the one without\n")
    for verb in VERBS:
        sys.stdout.write(
            f"  {verb:9} {faults.broken[verb]:5} of {faults.seen[verb]:6} requests broke\n"
        )
    return 0


def _round(storage: str, here: Path) -> dict[str, Any]:
    """Everything that a build, a run and a sweep of one trial after the other leave in a bucket."""
    build(
        Streets(look="clean", count=24, size=(256, 128), seed=1),
        f"{storage}/streets",
        BuildOptions(shard_mb=0.25, processes=2),
    )
    # As large as to be uploaded in parts.
    wide = {"model__discriminator_width": 48, "run__name": "run"}
    launch(tiny_run(DATA, storage, cluster__workers=2, **wide))
    run = RunFolder.open(f"{storage}/run")
    swept = tiny_run(
        DATA, "unused", data__held_out="held_out", cluster__workers=1, run__evaluate_every=2
    )
    config = here / "experiment.json"
    config.write_text(to_json(swept))
    plan = Options(
        experiment=str(config),
        storage=storage,
        name="sweep",
        num_trials=3,
        max_steps=4,
        scheduler="none",
        seeds_for_best=1,
        keep_checkpoints=1,
        collapse_share=0.0,
        max_concurrent=1,
    )
    trials = run_sweep(make_plan(plan), "make soak").folder.trials()
    (status,) = find_runs(storage, stale_after_s=1e6)[:1]
    return {
        "shards": _digests(open_folder(f"{storage}/streets")),
        "metrics": [_of_training(row) for row in run.rows()],
        "weights": {which: _digest(run, which) for which in ("last", "best")},
        "score": score([run.url], "last").to_json(),
        "status": (status.state, status.step, status.checkpoint_step, status.best_accuracy),
        "trials": [(trial.values, trial.state, trial.steps, trial.score) for trial in trials],
        "names": sorted(map(_without_time, open_folder(storage).walk())),
    }


def _digests(folder: Folder) -> dict[str, str]:
    return {name: hashlib.sha256(folder.read(name)).hexdigest() for name in folder.walk()}


def _digest(run: RunFolder, which: str) -> str:
    weights = run.weights(which).items()
    digest = hashlib.sha256()
    for name, tensor in sorted(weights):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def _of_training(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in row if not any(part in name for part in _OF_SPEED)}


def _without_time(name: str) -> str:
    """Event files have their time, host and process in their names."""
    return name.partition(".tfevents.")[0]


def _is_same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    wrong = [name for name in expected if _text(found[name]) != _text(expected[name])]
    for name in wrong:
        sys.stderr.write(
            f"{name}\n  is        {_text(found[name])}\n  and not   {_text(expected[name])}\n"
        )
    return not wrong


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
