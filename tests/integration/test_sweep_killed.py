"""The command as users run it, killed half-way and resumed: nothing that was done is done again."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from advent_dist.config.override import to_json
from advent_dist.runs.folder import SWEEP_FILE
from tests.family import name_in
from tests.helpers import tiny_run, write_tiny_shards
from tests.waiting import wait_until
from tune import search
from tune.folder import SCHEDULER_FILE, SweepFolder, Trial

_PATIENCE_S = 120


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A sweep by a copy of the one script, as `ray submit` makes it."""
    write_tiny_shards(str(tmp_path / "data"))
    experiment = tiny_run(str(tmp_path / "data"), "unused", cluster__workers=1)
    (tmp_path / "experiment.json").write_text(to_json(experiment))
    shutil.copy(str(search.__file__), tmp_path / "search.py")
    flags = {
        "--experiment": "experiment.json",
        "--storage": "runs",
        "--name": "sweep",
        "--num-trials": 5,
        "--max-steps": 24,
        "--grace-steps": 4,
        "--evaluate-every": 2,
        "--reduction-factor": 2,
        "--collapse-share": 0,
        "--seeds-for-best": 0,
    }
    return [sys.executable, "search.py", *(str(word) for flag in flags.items() for word in flag)]


def _half_way(trials: list[Trial]) -> bool:
    ended = any(trial.has_ended for trial in trials)
    return ended and any(trial.state == "running" and trial.steps >= 4 for trial in trials)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_and_resumed(how: signal.Signals, command: list[str], tmp_path: Path) -> None:
    folder = SweepFolder(str(tmp_path / "runs" / "sweep"))
    # Without the address of a Ray that another test has running.
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    # Into a file: a pipe would stay open as long as any of Ray's processes.
    with (tmp_path / "said.txt").open("wb") as said:
        driver = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=said)
    wait_until(lambda: _half_way(folder.trials()), within_s=_PATIENCE_S, running=driver)
    # Ray's agents are left out: they look for their raylet once a minute.
    family = [
        one
        for one in psutil.Process(driver.pid).children(recursive=True)
        if "Agent" not in name_in(one)
    ]
    driver.send_signal(how)
    driver.wait(timeout=_PATIENCE_S)
    _, alive = psutil.wait_procs(family, timeout=_PATIENCE_S)
    assert alive == [], "no process outlives its sweep"

    before, tree = folder.trials(), folder.read(SWEEP_FILE)
    rungs = folder.read(SCHEDULER_FILE)
    assert tree is not None
    assert rungs is not None
    if how != signal.SIGKILL:
        assert driver.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[how]
        assert tree["resume_command"] in (tmp_path / "said.txt").read_text()
        assert tree["status"] == "interrupted"

    again = shlex.split(tree["resume_command"])
    assert again[-1] == "--resume"
    subprocess.run([sys.executable, *again[1:]], cwd=tmp_path, env=environment, check=True)

    after = folder.trials()
    assert len(after) == 5
    assert all(trial.state in ("finished", "stopped") for trial in after)
    for old, new in zip(before, after, strict=False):
        if old.has_ended:
            assert new == old
        else:
            assert new.seconds > old.seconds
    for trial in after:
        rows = (tmp_path / "runs" / "sweep" / trial.path / "metrics.jsonl").read_text()
        steps = [json.loads(row)["step"] for row in rows.splitlines()]
        assert steps == list(range(1, trial.steps + 1))
    # ASHA went on with the records of before.
    final = folder.read(SCHEDULER_FILE)
    assert final is not None
    for old_rung, new_rung in zip(rungs["rungs"], final["rungs"], strict=True):
        assert old_rung["scores"].items() <= new_rung["scores"].items()
    assert {"report.html", "report.md", "trials.csv", "trials.json"} <= set(folder.open().list())
    ended = folder.read(SWEEP_FILE)
    assert ended is not None
    assert ended["status"] == "finished"
    assert ended["seconds"] > tree["seconds"]
