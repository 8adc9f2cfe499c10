"""Where runs stand, from their folders."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from advent_dist import cli
from advent_dist.commands.status import age
from advent_dist.config import Call
from advent_dist.data.claim import claimed
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from advent_dist.runs.checkpoints import checkpoint_name
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.status import find_runs
from advent_dist.training.progress import Progress, Scores
from tests.helpers import tiny_run


def _write_run(storage: Path, name: str, *, step: int, age_s: float = 0) -> RunFolder:
    """A run of 4 steps as it is after `step` of them, with a checkpoint every 2."""
    experiment = tiny_run("data", str(storage), run__name=name)
    run = RunFolder.of(experiment)
    run.start(experiment, Call())
    scores = None
    for done in range(1, step + 1):
        run.append({"step": done})
        if done % 2 == 0:
            scores = Scores(step=done, target={"miou": 10.0 * done})
            run.folder.write(f"checkpoints/step_{done:06d}/run.json", b'{"files": {}}')
            run.write_summary(experiment, Progress(step=done, last=scores, best=scores))
    then = time.time() - age_s
    for file in Path(run.url).rglob("*"):
        os.utime(file, (then, then))
    return run


def test_runs_of_every_state(tmp_path: Path) -> None:
    _write_run(tmp_path, "done", step=4, age_s=9000)
    left = _write_run(tmp_path, "ended", step=2)
    working = _write_run(tmp_path, "going", step=3)
    silent = _write_run(tmp_path, "stuck", step=1, age_s=9000)
    _write_run(tmp_path / "sweep" / "trials", "00000", step=0)
    with claimed(left.folder):  # by a command that has ended
        pass
    with claimed(working.folder), claimed(silent.folder):
        done, ended, going, stuck, trial = find_runs(str(tmp_path), stale_after_s=1800)
    assert [run.name for run in (done, ended, going, stuck)] == ["done", "ended", "going", "stuck"]
    assert trial.name == "sweep/trials/00000"
    states = [run.state for run in (done, ended, going, stuck, trial)]
    assert states == ["finished", "interrupted", "going", "stale", "interrupted"]
    assert (done.step, done.steps, done.checkpoint_step, done.last_accuracy) == (4, 4, 4, 40.0)
    assert (going.step, going.checkpoint_step, going.best_accuracy) == (3, 2, 20.0)
    assert done.checkpoint_age_s == pytest.approx(9000, abs=60)
    assert (stuck.checkpoint_step, stuck.checkpoint_age_s, stuck.last_accuracy) == (
        None,
        None,
        None,
    )
    assert (trial.step, trial.silent_s) == (0, None)


def test_a_killed_command_s_run_is_interrupted(tmp_path: Path) -> None:
    run = _write_run(tmp_path, "killed", step=2)
    with claimed(run.folder):
        [claim] = Path(run.url).glob("claim-*.json")
        tree = json.loads(claim.read_text())
    process = subprocess.Popen(["true"])
    process.wait()
    claim.write_text(json.dumps({**tree, "pid": process.pid}))
    (status,) = find_runs(str(tmp_path), stale_after_s=1800)
    assert status.state == "interrupted"


@pytest.mark.parametrize(("file", "group"), [("trial.json", "trials"), ("final.json", "final")])
def test_trainings_of_a_sweep(tmp_path: Path, file: str, group: str) -> None:
    sweep = tmp_path / "sweep"
    states = ["stopped", "collapsed", "failed", "running", "no such state", ["no", "word"]]
    for number, state in enumerate(states):
        run = _write_run(sweep / group, f"{number:05d}", step=2)
        run.folder.write(file, json.dumps({"state": state}).encode())
    over = ["stopped", "collapsed", "failed"]
    with claimed(open_folder(str(sweep))):
        going = find_runs(str(tmp_path), stale_after_s=1800)
        with claimed(open_folder(str(sweep / group / "00000"))):  # `train --resume` of a trial
            again = find_runs(str(sweep / group / "00000"), stale_after_s=1800)
    assert [run.state for run in going] == [*over, "going", "going", "going"]
    assert [run.state for run in again] == ["going"]
    ended = find_runs(str(tmp_path), stale_after_s=1800)
    assert [run.state for run in ended] == [*over, *["interrupted"] * 3]


def test_a_run_s_own_folder(tmp_path: Path) -> None:
    run = _write_run(tmp_path, "done", step=4)
    [found] = find_runs(f"{run.url}/", stale_after_s=1800)
    assert (found.name, found.state, found.step) == ("done", "finished", 4)


def test_without_target_labels_the_criterion_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _write_run(tmp_path, "bare", step=2)
    scores = Scores(step=2, target={"mean_entropy": 0.25, "snd": 3.125, "live_classes": 9})
    progress = Progress(step=2, selected_by="criterion/snd", last=scores, best=scores)
    run.write_summary(run.experiment(), progress)
    summary = run.summary()
    assert (summary["selected_by"], summary["target_labels"]) == ("criterion/snd", False)
    (status,) = find_runs(str(tmp_path), stale_after_s=1800)
    assert (status.last_accuracy, status.best_accuracy) == (None, None)
    assert (status.selected_by, status.last, status.best) == ("criterion/snd", 3.125, 3.125)
    assert cli.run(["status", str(tmp_path)]) == 0
    assert "3.125  3.125        SND" in capsys.readouterr().out


def test_a_checkpoint_that_is_not_whole_does_not_count(tmp_path: Path) -> None:
    run = _write_run(tmp_path, "one", step=2)
    run.folder.write("checkpoints/step_000004/rank_00000.safetensors", b"")
    (status,) = find_runs(str(tmp_path), stale_after_s=1800)
    assert status.checkpoint_step == 2


def test_no_order_of_uploads_is_believed_in(tmp_path: Path) -> None:
    """Whoever copies a run may copy the list of a checkpoint's files before the files."""
    run = _write_run(tmp_path, "one", step=2)
    listed = json.dumps({"files": {"rank_00000.safetensors": 3}}).encode()
    run.folder.write("checkpoints/step_000004/run.json", listed)
    run.folder.write("checkpoints/step_000004/rank_00000.safetensors", b"12")
    assert find_runs(str(tmp_path), stale_after_s=1800)[0].checkpoint_step == 2
    run.folder.write("checkpoints/step_000004/rank_00000.safetensors", b"123")
    assert find_runs(str(tmp_path), stale_after_s=1800)[0].checkpoint_step == 4


def test_the_latest_checkpoint_has_the_largest_number(tmp_path: Path) -> None:
    run = _write_run(tmp_path, "one", step=2)
    for step in (998_000, 1_000_000):
        run.folder.write(f"checkpoints/{checkpoint_name(step)}/run.json", b'{"files": {}}')
    run.folder.write("checkpoints/step_by_step/run.json", b'{"files": {}}')
    (status,) = find_runs(str(tmp_path), stale_after_s=1800)
    assert status.checkpoint_step == 1_000_000


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    _write_run(tmp_path, "one", step=2).folder.write("metrics.jsonl", b'{"step": 1}\n{"st')
    with pytest.raises(DataError, match=r"one/metrics.jsonl is not JSON"):
        find_runs(str(tmp_path), stale_after_s=1800)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write_run(tmp_path, "a" * 60, step=2)
    assert cli.run(["status", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["best_accuracy"] == 20.0
    assert cli.run(["status", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "2 / 4" in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert cli.run(["status", str(tmp_path / "nowhere")]) == 1
    assert "no run below" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (59.4, "59s ago"), (720, "12m ago"), (3 * 3600, "3h ago"), (8e5, "9d ago")],
)
def test_ages(seconds: float | None, shown: str) -> None:
    assert age(seconds) == shown
