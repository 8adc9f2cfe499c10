"""The command line of `advent-dist doctor`; what it finds is tested elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advent_dist import cli


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ADVENT_DIST_EXPERIMENT", "ADVENT_DIST_DATA", "ADVENT_DIST_SET", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def _checks(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Check -> level, of what the last command printed."""
    answer = json.loads(capsys.readouterr().out)
    return {one["check"]: one["level"] for one in answer["findings"]}


def test_a_machine_alone(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.run(["doctor", "--json"])
    checks = _checks(capsys)
    assert checks.keys() == {"versions", "devices", "disk", "shared memory"}
    assert (status == 1) == ("failure" in checks.values())
    # How much room there is, is the machine's own.
    assert checks["versions"] == checks["devices"] == "ok"


def test_the_experiment_of_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ADVENT_DIST_EXPERIMENT", "camvid_day_dusk_advent")
    monkeypatch.setenv("ADVENT_DIST_DATA", str(tmp_path / "nowhere"))
    assert cli.run(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "there is no such file" in " ".join(shown.split())
    assert "1 failures" in shown
    # Changed by flags alone.
    assert cli.run(["doctor", "--data.root", "elsewhere"]) == 1
    assert "elsewhere/camvid" in " ".join(capsys.readouterr().out.split())
    assert not list(tmp_path.iterdir())


def test_wrong_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor", "strets_advent"]) == 1
    assert "did you mean" in capsys.readouterr().err
    assert cli.run(["doctor", "--help"]) == 0
    assert "--cluster" in capsys.readouterr().out


def test_no_cluster_answers(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = "127.0.0.1:1"
    assert cli.run(["doctor", "streets_advent", "--cluster", "--cluster.address", nobody]) == 1
    assert f"no connection to a Ray cluster at {nobody!r}" in capsys.readouterr().err
