"""A rank of a trial is killed: it is replaced, or the trial is resumed by the next call."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from advent_dist.errors import UserError
from advent_dist.runs.folder import SWEEP_FILE, RunFolder
from tests.family import name_in
from tests.small_sweeps import run_and_let_go, small_sweep
from tests.waiting import wait_until
from tune.folder import SweepFolder
from tune.options import Options

pytestmark = pytest.mark.usefixtures("ray_session")

ONE_TRIAL: dict[str, Any] = {
    "num_trials": 1,
    "max_steps": 60,
    "scheduler": "none",
    "evaluate_every": 10,
    "set": ("run.checkpoint_every=10", "data.held_out=none"),
}
"""Long enough to be killed in the middle."""


def _kill_a_rank(options: Options, tmp_path: Path) -> UserError | None:
    """Run a sweep of one trial, whose rank is killed once; what it raises."""
    trial = SweepFolder(f"{tmp_path}/sweep")
    killed: list[int] = []

    def kill_one() -> None:
        wait_until(lambda: (record := trial.trial(0)) and 0 < record.steps < 60, within_s=240)
        # Only descendants of this process: another job's have the same name.
        family = psutil.Process().children(recursive=True)
        rank = next(one for one in family if name_in(one).endswith("rank 0"))
        killed.append(rank.pid)
        rank.send_signal(signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    raised = None
    try:
        run_and_let_go(options)
    except UserError as error:
        raised = error
    thread.join()
    assert killed
    return raised


def _assert_trained_to_the_end(tmp_path: Path) -> None:
    folder = SweepFolder(f"{tmp_path}/sweep")
    record = folder.trials()[0]
    assert (record.state, record.reason) == ("finished", None)
    rows = RunFolder.open(f"{folder.url}/{record.path}").rows()
    assert [row["step"] for row in rows] == list(range(1, 61))


def test_a_killed_rank_is_replaced(shards: str, tmp_path: Path) -> None:
    options = small_sweep(shards, tmp_path, max_failures=1, **ONE_TRIAL)
    assert _kill_a_rank(options, tmp_path) is None
    _assert_trained_to_the_end(tmp_path)


def test_a_trial_whose_rank_dies_too_often_is_resumed(shards: str, tmp_path: Path) -> None:
    options = small_sweep(shards, tmp_path, max_failures=0, **ONE_TRIAL)
    told = _kill_a_rank(options, tmp_path)
    assert "1 of 1 trials were interrupted, the first one: a worker died" in str(told)
    record = SweepFolder(f"{tmp_path}/sweep").trials()[0]
    assert (record.state, record.ended_at) == ("interrupted", None)
    assert 0 < record.steps < 60
    tree = json.loads((tmp_path / "sweep" / SWEEP_FILE).read_text())
    assert tree["status"] == "interrupted"
    run_and_let_go(replace(options, resume=True))
    _assert_trained_to_the_end(tmp_path)
