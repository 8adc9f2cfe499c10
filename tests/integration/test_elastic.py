"""Nodes that go and come while a run goes on, on a real Ray cluster of several nodes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from advent_dist.config.override import to_json
from tests.driver import Driver
from tests.helpers import tiny_run, write_tiny_shards

_REPOSITORY = Path(__file__).parents[2]
_PATIENCE_S = 240.0


@pytest.fixture
def nodes(bucket: str) -> Iterator[Cluster]:
    """A head that trains nothing, and two worker nodes of one CPU each."""
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


class Training(Driver):
    """`advent-dist train` on a cluster."""

    def __init__(self, cluster: Cluster, folder: Path, storage: str, **changes: Any) -> None:
        run = tiny_run(
            f"{storage}/elastic",
            f"{storage}/elastic-runs",
            data__batch_size_per_rank=1,
            run__global_batch_size=2,
            run__evaluate_every=1000,
            **changes,
        )
        config = folder / "config.json"
        config.write_text(to_json(run))
        super().__init__(run, folder / "log", patience_s=_PATIENCE_S)
        self.start(
            [sys.executable, "-m", "advent_dist", "train", "--config", str(config)],
            {
                "RAY_ADDRESS": cluster.address,
                "PYTHONPATH": str(_REPOSITORY),
                "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "0.5",
            },
        )


@pytest.fixture
def start(nodes: Cluster, bucket: str, tmp_path: Path) -> Iterator[Callable[..., Training]]:
    """Starts runs, which are ended with the test."""
    write_tiny_shards(f"{bucket}/elastic")
    runs: list[Training] = []

    def start(**changes: Any) -> Training:
        runs.append(Training(nodes, tmp_path, bucket, **changes))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


def test_a_run_goes_on_smaller_and_grows_back(
    nodes: Cluster, start: Callable[..., Training], tmp_path: Path
) -> None:
    """A node dies, another one comes; each step takes the same global batch, no sample twice.

    Before it grows it saves a checkpoint: no step is done twice.
    """
    steps = 160
    run = start(
        run__name="elastic",
        run__steps=steps,
        run__checkpoint_every=1000,
        cluster__min_workers=1,
        cluster__grow_every_s=3.0,
        cluster__max_failures=3,
    )
    run.wait_for(lambda rows: rows[-1]["ranks"] == 2 and rows[-1]["step"] > 8)
    nodes.remove_node(nodes.list_all_nodes()[-1], allow_graceful=False)
    run.wait_for(lambda rows: rows[-1]["ranks"] == 1)
    nodes.add_node(num_cpus=1)
    run.wait_for(lambda rows: rows[-1]["ranks"] == 2)
    rows = run.finish(steps)
    assert {row["global_batch_size"] for row in rows} == {2}
    *_, alone, grown = _sessions(run, tmp_path)
    assert {ranks for _, ranks in alone} == {1}
    assert {ranks for _, ranks in grown} == {2}
    assert [step for step, _ in alone + grown] == list(range(1, steps + 1))
    checkpoint = run.folder.folder.inside(f"checkpoints/step_{steps:06d}")
    streams = json.loads(checkpoint.read("run.json"))["streams"]
    assert _samples_read(streams["source"]) == _samples_read(streams["target"]) == 2 * steps


def _samples_read(stream: dict[str, Any]) -> int:
    """Samples that a stream is beyond: those of earlier numbers of ranks, and of this one."""
    start = stream["start"]
    epochs = start["remaining"]
    remaining = sum(stop - first for ranges in epochs for first, stop in ranges)
    before = (start["epoch"] + len(epochs)) * stream["num_samples"] - remaining
    return int(before + stream["batches"] * stream["ranks"] * stream["batch_size"])


def _sessions(run: Training, folder: Path) -> list[list[tuple[int, int]]]:
    """Step and ranks of every row that was written, by session: nothing rewinds event files."""
    events = run.folder.folder.inside("tensorboard")
    sessions = []
    for name in sorted(events.list()):  # which begin with their time
        file = folder / name
        file.write_bytes(events.read(name))
        sessions.append(
            [
                (event.step, int(value.tensor.float_val[0]))
                for event in EventFileLoader(str(file)).Load()
                for value in event.summary.value
                if value.tag == "ranks"
            ]
        )
    return [rows for rows in sessions if rows]


def _call_back(nodes: Cluster, node: Any, deadline_s: int) -> None:
    """Give notice to a node, as a cloud does."""
    drain = [
        *(sys.executable, "-m", "ray.scripts.scripts", "drain-node"),
        *("--address", nodes.address, "--node-id", node.node_id),
        *("--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot"),
        *("--deadline-remaining-seconds", str(deadline_s)),
    ]
    subprocess.run(drain, check=True)


def _saved(run: Training) -> int:
    """Wait for the run's only checkpoint; its step."""
    checkpoints = run.folder.folder.inside("checkpoints")
    run.wait_for(lambda _: bool(checkpoints.folders()))
    (saved,) = checkpoints.folders()
    return int(saved.removeprefix("step_"))


def test_a_notice_of_preemption_brings_a_checkpoint(
    nodes: Cluster, start: Callable[..., Training]
) -> None:
    """The run moves to the spare node from there; that is no failure."""
    steps, deadline_s = 200, 8
    run = start(run__name="called-back", run__steps=steps, run__checkpoint_every=1000)
    run.wait_for(lambda rows: rows[-1]["step"] > 4)
    called_back = nodes.list_all_nodes()[-1]
    nodes.add_node(num_cpus=1)
    _call_back(nodes, called_back, deadline_s)
    assert 0 < _saved(run) < steps
    time.sleep(deadline_s)
    nodes.remove_node(called_back, allow_graceful=False)
    run.finish(steps)


def test_an_elastic_run_goes_on_smaller_after_a_notice(
    nodes: Cluster, start: Callable[..., Training]
) -> None:
    """Not before its checkpoint is saved, and from there."""
    steps, deadline_s = 200, 8
    run = start(
        run__name="shrunk",
        run__steps=steps,
        run__checkpoint_every=1000,
        cluster__min_workers=1,
        cluster__grow_every_s=1.0,
        cluster__max_failures=1,
    )
    run.wait_for(lambda rows: rows[-1]["ranks"] == 2 and rows[-1]["step"] > 4)
    _call_back(nodes, nodes.list_all_nodes()[-1], deadline_s)
    saved = _saved(run)
    run.wait_for(lambda rows: rows[-1]["ranks"] == 1)
    # The node is still there: Ray Train starts the run again when the notice has run out.
    rows = run.finish(steps)
    ranks = [row["ranks"] for row in rows]
    assert ranks == [2] * saved + [1] * (steps - saved)
