"""Workers of a run on Ray Train that are killed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from advent_dist.config import Experiment
from advent_dist.errors import UserError
from advent_dist.runs.folder import RunFolder
from cluster.launch import launch
from tests.family import name_in
from tests.helpers import tiny_run
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("ray_session")


@contextmanager
def _a_worker_killed(run: Experiment) -> Iterator[None]:
    """Kill a worker of the run once it has saved a checkpoint."""
    folder = RunFolder.of(run)

    def kill_one() -> None:
        wait_until(lambda: folder.folder.exists("summary.json"), within_s=240)
        # Only descendants of this process: another job's workers have the same name.
        family = psutil.Process().children(recursive=True)
        worker = next(one for one in family if name_in(one) == "ray::RayTrainWorker")
        worker.send_signal(signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    yield
    thread.join()


def test_a_killed_worker_is_replaced(shards: str, tmp_path: Path) -> None:
    run = tiny_run(
        shards, str(tmp_path), run__name="killed", run__steps=40, cluster__max_failures=1
    )
    with _a_worker_killed(run):
        progress = launch(run)
    assert progress.step == 40
    assert [row["step"] for row in RunFolder.of(run).rows()] == list(range(1, 41))


def test_a_killed_worker_ends_a_run_that_may_not_fail(shards: str, tmp_path: Path) -> None:
    run = tiny_run(shards, str(tmp_path), run__name="once", run__steps=40)
    with (
        _a_worker_killed(run),
        pytest.raises(UserError, match=r"rank \d of the run is lost.* cluster.max_failures = 0"),
    ):
        launch(run)
