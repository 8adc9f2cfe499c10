"""Runs that are told to end, and folders that two commands want: each a process as users run it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from advent_dist.config import Experiment
from advent_dist.config.override import to_json
from advent_dist.runs.status import find_runs
from tests.driver import Driver
from tests.family import name_in
from tests.helpers import tiny_run, write_tiny_shards
from tests.waiting import wait_until

_PATIENCE_S = 240


class _Command(Driver):
    """`advent-dist train` with Ray of its own, and a temporary folder of its own."""

    def __init__(self, run: Experiment, folder: Path, short: Path, name: str) -> None:
        super().__init__(run, folder / f"{name}.txt", patience_s=_PATIENCE_S)
        self._temporary = short / name
        self._temporary.mkdir()

    def train(self, *words: str) -> None:
        """Start it, and wait until it has made three steps more."""
        before = len(self.rows())
        command = [sys.executable, "-m", "advent_dist", "train", *words]
        # Ray's own files stay where they are: their paths may not be long.
        self.start(command, {"TMPDIR": str(self._temporary), "RAY_TMPDIR": "/tmp"})
        self.wait_for(lambda rows: len(rows) >= before + 3)

    def told(self, number: int) -> int:
        """Send a signal; the exit status, once nothing is left of it."""
        family = psutil.Process(self._process.pid).children(recursive=True)
        assert any(name_in(one).startswith("ray::") for one in family)
        self._process.send_signal(number)
        status = self.ends()
        assert psutil.wait_procs(family, timeout=30)[1] == []
        assert list(self._temporary.glob("advent-dist-*")) == []
        return status

    @property
    def resume_words(self) -> list[str]:
        """What it says is to be typed to go on, without the program's name."""
        found = re.search(r"go on with:\n  advent-dist train (.*)", self.said)
        assert found is not None, self.said
        return shlex.split(found[1])


def _saved(command: Driver) -> int:
    """The step that the run goes on from, which is the last one that it made."""
    step = int(command.rows()[-1]["step"])
    assert command.folder.summary()["checkpoints"]["last"] == f"checkpoints/step_{step:06d}"
    assert not command.folder.summary()["finished"]
    assert not [name for name in command.folder.folder.list() if name.startswith("claim-")]
    assert _state(command) == "interrupted"
    return step


def _state(command: Driver) -> str:
    """What `advent-dist status` says of the run."""
    (status,) = find_runs(command.folder.url, stale_after_s=1800)
    return status.state


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for sockets, which pytest's is not."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_told_to_end_and_taken_over(tmp_path: Path, short: Path) -> None:
    write_tiny_shards(str(tmp_path / "data"))
    far = {"run__steps": 100_000, "run__evaluate_every": 100_000, "run__checkpoint_every": 100_000}
    run = tiny_run(str(tmp_path / "data"), str(tmp_path / "läufe"), run__name="weit weg", **far)
    config = tmp_path / "mine.json"
    config.write_text(to_json(run))

    first = _Command(run, tmp_path, short, "first")
    first.train("--config", str(config))
    assert first.told(signal.SIGTERM) == 143, first.said
    ended_at = _saved(first)

    second = _Command(run, tmp_path, short, "second")
    second.train(*first.resume_words)
    assert [row["step"] for row in second.rows()] == list(range(1, len(second.rows()) + 1))
    assert len(second.rows()) > ended_at
    assert _state(second) == "going"
    too_many = subprocess.run(
        [sys.executable, "-m", "advent_dist", "train", *first.resume_words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert too_many.returncode == 1
    assert re.search(rf"is in use by process \d+ of .* on {os.uname().nodename}", too_many.stderr)

    third = _Command(run, tmp_path, short, "third")
    third.train(*first.resume_words, "--force")
    assert second.ends() == 1
    assert re.search(r"was taken over by process \d+ of .* \(--force\)", second.said)
    assert [row["step"] for row in third.rows()] == list(range(1, len(third.rows()) + 1))
    assert third.told(signal.SIGINT) == 130, third.said
    assert _saved(third) > ended_at


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_told_to_end_while_ray_starts(number: int, status: int, tmp_path: Path) -> None:
    where = [f"--data.root={tmp_path}/data", f"--run.storage={tmp_path}/runs"]
    with subprocess.Popen(
        [sys.executable, "-m", "advent_dist", "train", "streets_advent", *where],
        stderr=subprocess.PIPE,
        text=True,
        # Both count, whatever this process was started to ignore.
        preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in (number, signal.SIGINT)],
    ) as command:
        family: set[psutil.Process] = set()

        def look() -> bool:
            family.update(psutil.Process(command.pid).children(recursive=True))
            return any("gcs_server" in name_in(one) for one in family)

        wait_until(look, within_s=_PATIENCE_S, running=command)
        command.send_signal(number)
        while command.poll() is None:
            with suppress(psutil.NoSuchProcess):
                look()
            time.sleep(0.05)
        assert command.stderr is not None
        assert command.stderr.read() == "\nadvent-dist train: stopped\n"
    assert command.returncode == status
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert not list(tmp_path.iterdir())
