"""What the command line of a sweep says when it can't go on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, NoReturn

import pytest

from advent_dist.errors import DataError, UserError
from tests.unit.tune.helpers import trial
from tune.command import main
from tune.folder import SweepFolder


def test_what_ended_a_sweep_is_said_also_where_its_report_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def diverge(*_: Any) -> NoReturn:
        raise UserError("all 1 trials failed")

    def full(*_: Any) -> NoReturn:
        raise DataError("no space left")

    monkeypatch.setattr("tune.sweep.run_sweep", diverge)
    monkeypatch.setattr("tune.report.write_report", full)
    monkeypatch.setattr("shards.streets_data.ensure_streets", lambda data: None)
    SweepFolder(f"{tmp_path}/one").write_trial(trial(0, 1.0))
    assert main(["search.py", "--storage", str(tmp_path), "--name", "one"]) == 1
    assert capsys.readouterr().err == "search: all 1 trials failed\n"


def _told_to_go_on_with(flags: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of the command that a sweep says it is resumed by."""
    said: list[str] = []
    monkeypatch.setattr("tune.sweep.run_sweep", lambda plan, again: said.append(again))
    monkeypatch.setattr("shards.streets_data.ensure_streets", lambda data: None)
    assert main(["search.py", *flags]) == 0
    return shlex.split(said[0])


def test_a_file_is_not_needed_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be gone, as on a cluster that took it along with a job, or have changed."""
    (tmp_path / "houses.py").write_text(
        "from advent_dist.experiments import experiment\n"
        "def houses():\n    return experiment('streets_minent')\n"
    )
    monkeypatch.chdir(tmp_path)
    flags = ["--experiment", "houses.py", "--storage", str(tmp_path), "--num-trials", "4"]
    words = _told_to_go_on_with([*flags, "--overwrite"], monkeypatch)
    kept = f"{tmp_path}/sweep-streets_minent/experiment.json"
    others = ["--storage", str(tmp_path), "--num-trials", "4"]
    common = ["python", "-m", "tune.search", *others, "--experiment"]
    assert words == [*common, kept, "--resume"]
    monkeypatch.setenv("ADVENT_DIST_EXPERIMENT", "houses.py")
    assert _told_to_go_on_with(others, monkeypatch) == [*common, kept, "--resume"]
    monkeypatch.setenv("ADVENT_DIST_EXPERIMENT", "streets_minent")
    assert _told_to_go_on_with(others, monkeypatch) == [*common, "streets_minent", "--resume"]


def test_a_mistake_in_a_file_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "houses.py").write_text("def houses():\n    return 1 / 0\n")
    monkeypatch.chdir(tmp_path)
    assert main(["search.py", "--experiment", "houses.py"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("search: houses.py, line 2: ZeroDivisionError: division by zero; ")
    assert said.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["houses.py"]


def test_words_that_have_come_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["search.py", "--name", "two", "words"])
    assert "two layers of quotes" in " ".join(capsys.readouterr().err.split())


def test_a_secret_is_not_said_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither as what to go on with, nor in what is refused."""
    uri = "http://bob:s3cret@host"
    assert main(["search.py", "--storage", str(tmp_path), "--mlflow", uri]) == 1
    said = capsys.readouterr().err
    assert "credentials belong into" in said
    assert "s3cret" not in said


def test_a_report_that_fails_at_the_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> NoReturn:
        raise DataError("no space left")

    monkeypatch.setattr("tune.sweep.run_sweep", lambda *_: None)
    monkeypatch.setattr("tune.report.write_report", full)
    monkeypatch.setattr("shards.streets_data.ensure_streets", lambda data: None)
    SweepFolder(f"{tmp_path}/one").write_trial(trial(0, 1.0))
    assert main(["search.py", "--storage", str(tmp_path), "--name", "one"]) == 1
    assert capsys.readouterr().err.endswith("search: no space left\n")
