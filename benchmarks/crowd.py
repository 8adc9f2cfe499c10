"""What do many workers ask of Ray, of the driver and of the record of a run?

    python benchmarks/crowd.py [--workers 4 16 32] [--rows 30] [--json FILE]

A run as `advent-dist train` starts it, with Ray Train's controller, the process group, the progress
board and rank 0's recorder, on this machine. In place of a training each worker has a stub: it
counts steps, and each of them is reported. So there is no network in any of them, and what is left
is the product's and Ray's own. All workers share the cores of this machine: how long they take to
start is that of the CPU seconds that they need, which a cluster has many more cores for. The rate
of reports is one of rows in a second, with nothing between. Memory is what a process has to itself
(its unique set size): the driver and Ray's two servers after the last row, a worker at it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import psutil
import ray
import ray.train
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

import cluster.launch
from advent_dist.config import Call, Experiment
from advent_dist.config.override import from_json, override
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.experiments import experiment
from advent_dist.runs.folder import RunFolder
from benchmarks.record import keep
from cluster.board import BoardObserver, ProgressBoard
from cluster.observer import Observer

if TYPE_CHECKING:
    from advent_dist.parallel.world import World
    from advent_dist.training.loop import Report

QUESTION = "What do many workers ask of Ray, of the driver and of the record of a run?"
RESULTS = Path(__file__).parent / "results" / "crowd.json"
NEEDED_FILE, TIMES_FILE = "needed.json", "times.json"
WARM_UP = 3
"""Rows that are not measured: the first ones open files."""

_ENVIRONMENT = {
    # As `cluster.connection` has them.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_worker_niceness": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # So many processes want to start that none does in the time that Ray gives it by default.
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "1200",
    "PYTHONPATH": str(Path(__file__).parents[1]),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many, how much, and where the result goes."""

    workers: tuple[int, ...] = (4, 16, 32)
    """Workers of one run each."""

    rows: int = 30
    """Reports that are measured."""

    json: Path | None = RESULTS
    """Where the result goes."""

    alone: bool = False
    """Of one number of workers, in this process, with the result on the standard output."""


def main() -> None:
    """Measure each number in a process of its own, and print the table."""
    options = tyro.cli(Options)
    if options.alone:
        sys.stdout.write(json.dumps(run(options.workers[0], options.rows)))
        return
    rows = []
    for workers in options.workers:
        arguments = ["--alone", "--workers", str(workers), "--rows", str(options.rows)]
        command = [sys.executable, __file__, *arguments]
        answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        rows.append(json.loads(answer.stdout.splitlines()[-1]))  # after what libraries say
        sys.stderr.write(f"{rows[-1]}\n")
    fewest, most = rows[0], rows[-1]
    name = f"{most['workers']} workers / {fewest['workers']}"
    ratios = {
        f"reports a second, {name}": most["rows_per_s"] / fewest["rows_per_s"],
        f"CPU seconds of a worker's start, {name}": most["start_cpu_s"] / fewest["start_cpu_s"],
        f"the driver's memory, {name}": most["driver_mb"] / fewest["driver_mb"],
    }
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    heads = "workers | start, s | CPU s a worker | rows/s | driver, MB | servers, MB | a worker, MB"
    print(f"| {heads} |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(
            f"| {row['workers']} | {row['start_s']:.0f} | {row['start_cpu_s']:.1f} | "
            f"{row['rows_per_s']:.1f} | {row['driver_mb']:.0f} | {row['ray_mb']:.0f} | "
            f"{row['worker_mb']:.0f} |"
        )


def run(workers: int, rows: int) -> dict[str, Any]:
    """One run of stubs.

    Args:
        workers: how many.
        rows: reports that are measured.

    Returns:
        The row of the table.
    """
    os.environ.update(_ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder, _local_ray(workers):
        chosen = override(
            experiment("streets_source_only"),
            {
                "run.storage": folder,
                "run.name": "crowd",
                "run.steps": WARM_UP + rows,
                "cluster.workers": workers,
                "cluster.cpus_per_worker": 1,
                "engine.collective_timeout_s": 1200,
                "data.batch_size_per_rank": 1,
            },
        )
        RunFolder.of(chosen).start(chosen, Call())
        board = ProgressBoard.options(num_cpus=0).remote()  # type: ignore[attr-defined]
        began = time.time()
        with mock.patch.object(cluster.launch, "train_worker", stub):
            cluster.launch.fit(chosen, CAMVID_11, BoardObserver(board))
        times = json.loads(Path(folder, TIMES_FILE).read_text())
        needed = json.loads(Path(folder, NEEDED_FILE).read_text())
        written = len(RunFolder.of(chosen).rows())
        driver = psutil.Process()
        servers = [one for one in driver.children() if one.name() in ("gcs_server", "raylet")]
        driver_mb, ray_mb = _megabytes(driver), sum(map(_megabytes, servers))
    assert written == WARM_UP + rows, written
    return {
        "workers": workers,
        "start_s": times[0] - began,
        "start_cpu_s": needed["cpu_s"],
        "rows_per_s": rows / (times[-1] - times[WARM_UP]),
        "driver_mb": driver_mb,
        "ray_mb": ray_mb,
        "worker_mb": needed["mb"],
    }


def stub(config: dict[str, Any]) -> dict[str, Any]:
    """In place of `cluster.worker.train_worker`: its reports, and nothing else."""
    import torch

    from advent_dist.parallel.world import World
    from advent_dist.training.progress import Progress

    chosen: Experiment = from_json(config["experiment"])
    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    world = World(rank=rank, size=size, device=torch.device("cpu"))
    record = _record(chosen, world, config["observer"])
    world.any(False)  # nobody counts before all are there
    cpu_s, times = time.process_time(), [time.time()]
    for step in range(1, chosen.run.steps + 1):
        losses = {f"loss/{name}": 1.0 / step for name in ("seg", "adv_main", "adv_aux", "d")}
        row = {"step": step, "samples_per_s": 1.0, "data_wait_fraction": 0.0, **losses}
        record(row, None, Progress(step=step))
        ray.train.report(row)
        times.append(time.time())
    folder = Path(chosen.run.storage)
    if world.rank == world.size - 1:  # no recorder, as all others
        needed = {"cpu_s": cpu_s, "mb": _megabytes(psutil.Process())}
        (folder / NEEDED_FILE).write_text(json.dumps(needed))
    if world.is_main:
        (folder / TIMES_FILE).write_text(json.dumps(times))
    world.any(False)  # all are still there when one is measured
    return Progress(step=chosen.run.steps).to_json()


def _record(chosen: Experiment, world: World, observer: Observer) -> Report:
    """Rank 0's own recorder; what the others do of it, without what it loads.

    In a training it is loaded anyway, with the networks: memory that many processes of one machine
    have no room for.
    """
    if not world.is_main:
        return lambda row, checkpoint, progress: world.any(False)
    from cluster.recorder import Recorder

    @contextmanager
    def latest() -> Iterator[None]:
        yield None

    recorder = Recorder(chosen, world, observer, lambda part, progress: True)
    with recorder.begun(latest)():
        return recorder


@contextmanager
def _local_ray(workers: int) -> Iterator[None]:
    """Ray on this machine, which is to believe that it has a core for each worker."""
    ray.init(
        address="local",
        num_cpus=workers + 1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        yield
    finally:
        ray.shutdown()


def _megabytes(process: psutil.Process) -> float:
    """What a process has to itself, in 10^6 bytes."""
    return float(process.memory_full_info().uss) / 1e6


if __name__ == "__main__":
    main()
