"""`advent-dist serve` refuses what can't be before Ray starts."""

from __future__ import annotations

import os
import socket
from importlib import machinery, util
from pathlib import Path

import pytest

from advent_dist import cli
from tests.unit.runs.test_trained import trained_run


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "65536"], "--port = 65536: give 0 to 65535"),
        (["--workers", "0"], "--workers = 0: give 1 or more"),
        (["--gpus-per-worker", "-1"], "--gpus-per-worker = -1: give 0 or more"),
        (["--batch", "0"], "--batch = 0: give 1 or more"),
        (["--max-requests", "0"], "--max-requests = 0: give 1 or more"),
        (["--max-megapixels", "0"], "--max-megapixels = 0.0: give more than 0, and at most 178"),
        (["--max-megapixels", "1000"], "--max-megapixels = 1000.0: give more than 0"),
        (["--max-megabytes", "nan"], "--max-megabytes = nan: give more than 0, and at most 1000"),
        (["--port", "0"], "is no run folder"),
        (["--port", "0", "--host", "no such host"], "--host no such host: it is no address"),
    ],
)
def test_flags_and_runs_that_can_not_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert cli.run(["serve", str(tmp_path), *flags]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("advent-dist serve: ")
    assert error.count("\n") == 1


def test_a_port_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.run(["serve", str(tmp_path), "--port", port]) == 1
    assert f"--port {port}: another program listens there" in capsys.readouterr().err


def test_more_gpus_than_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, _ = trained_run(tmp_path)
    assert cli.run(["serve", run, "--port", "0", "--workers", "9", "--gpus-per-worker", "9"]) == 1
    assert "--gpus-per-worker 9: 9 workers take 81 GPUs, but PyTorch" in capsys.readouterr().err


def test_a_cluster_that_is_there_is_not_joined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = trained_run(tmp_path)
    monkeypatch.setitem(os.environ, "RAY_ADDRESS", "auto")
    assert cli.run(["serve", run, "--port", "0"]) == 1
    assert "RAY_ADDRESS = 'auto': serve starts Ray on this machine" in capsys.readouterr().err


def test_without_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = machinery.PathFinder.find_spec

    def without(name: str, *rest: object) -> machinery.ModuleSpec | None:
        return None if name == "starlette" else find(name, *rest)  # type: ignore[arg-type]

    monkeypatch.delitem(__import__("sys").modules, "starlette", raising=False)
    monkeypatch.setattr(machinery.PathFinder, "find_spec", without)
    assert util.find_spec("starlette") is None
    assert cli.run(["serve", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said == "advent-dist serve: serving takes Ray Serve; pip install 'advent-dist[serve]'\n"
