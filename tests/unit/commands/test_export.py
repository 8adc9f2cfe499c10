"""`advent-dist export`: where it writes, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import advent_dist
from advent_dist import cli
from advent_dist.config import Call
from advent_dist.config.override import override
from advent_dist.data.store import open_folder
from advent_dist.errors import CheckpointError
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.status import find_runs
from tests.helpers import tiny_experiment
from tests.unit.runs.test_trained import trained_run

PLAIN = ["README.md", "classes.json", "config.json", "model.safetensors"]


@pytest.fixture
def run(tmp_path: Path) -> str:
    url, _ = trained_run(tmp_path / "runs", data__classes="camvid11")
    return url


def export(*arguments: str | Path) -> int:
    return cli.run(["export", *map(str, arguments)])


def test_weights_config_classes_and_card(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert export(run, "--to", out) == 0
    shown = capsys.readouterr()
    assert shown.out == f"config.json, classes.json, model.safetensors, README.md -> {out}\n"
    assert shown.err == ""
    assert sorted(path.name for path in out.iterdir()) == PLAIN
    assert "predict_onnx" not in (out / "README.md").read_text()


def test_to_and_from_object_storage(run: str) -> None:
    assert export(run, "--to", "memory://hub/model", "--which", "best") == 0
    assert open_folder("memory://hub/model").list() == PLAIN
    model = advent_dist.load("memory://hub/model")
    assert model.size == (64, 64)
    weights = model.coarse.__self__.segmenter.state_dict()  # type: ignore[attr-defined]
    best = RunFolder.open(run).weights("best")
    assert all((weights[name] == value).all() for name, value in best.items())


def test_a_folder_that_is_not_empty_is_kept(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "photos").mkdir(parents=True)
    for flags in ([], ["--overwrite"]):
        assert export(run, "--to", out, *flags) == 1
        assert "photos/" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["photos"]
    assert export(run, "--to", run, "--overwrite") == 1
    assert "config.json there is of no export, and is kept" in capsys.readouterr().err
    RunFolder.open(run)


def test_an_earlier_export_goes_and_nothing_else(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert export(run, "--to", out) == 0
    (out / "notes.txt").write_text("mine")
    config = json.loads((out / "config.json").read_text())
    for name in ("model.pt2", "predict_torch.py", "notes.txt", "../x"):
        config["files"].append(name)  # as an earlier export with --torch, and one that lies
    (out / "config.json").write_text(json.dumps(config))
    (out / "model.pt2").write_text("old")
    assert export(run, "--to", out) == 1
    assert "is not empty (it holds README.md, classes.json, config.json)" in capsys.readouterr().err
    assert export(run, "--to", out, "--overwrite", "--license", "mit") == 0
    assert "-- replaces in" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == sorted([*PLAIN, "notes.txt"])
    assert "license: mit" in (out / "README.md").read_text()


def test_a_file_of_somebody_else_is_not_replaced(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert export(run, "--to", out) == 0
    (out / "model.pt2").write_text("mine")
    assert export(run, "--to", out, "--overwrite", "--torch") == 1
    assert "model.pt2 there is of no export, and is kept" in capsys.readouterr().err
    assert (out / "model.pt2").read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["nowhere", "--to", "out"], "nowhere is no run folder"),
        (["RUN", "--to", "out", "--license", "my own, see below"], "--license 'my own, see below'"),
        (["RUN", "--to", "out", "--other-seeds", "RUN"], "run.seed = 1234 is that of another"),
        (["RUN", "--to", "ftp2://x"], "ftp2"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    flags: list[str],
    message: str,
    run: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export(*(run if flag == "RUN" else flag for flag in flags)) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_run_without_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = override(tiny_experiment("streets_advent"), {"run.storage": str(tmp_path)})
    RunFolder.of(experiment).start(experiment, Call())
    assert export(tmp_path / "streets_advent", "--to", tmp_path / "out") == 1
    assert "no summary.json yet; wait for its first checkpoint" in capsys.readouterr().err


def test_a_missing_package_is_named(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert export(run, "--to", tmp_path / "out", "--onnx") == 1
    said = capsys.readouterr().err
    assert "--onnx: onnxscript is not installed; pip install 'advent-dist[export]'" in said
    assert export(run, "--to", tmp_path / "out") == 0, "the rest needs none of them"


def test_an_export_is_no_run(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`status` passes over it, and what needs a run's history refuses it."""
    out = tmp_path / "runs" / "model"
    assert export(run, "--to", out) == 0
    assert [one.name for one in find_runs(str(tmp_path / "runs"), stale_after_s=60)] == ["run"]
    capsys.readouterr()
    assert cli.run(["report", str(out)]) == 1
    assert "model is an export, which has one snapshot and no history" in capsys.readouterr().err


def test_a_damaged_export_is_named(run: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(run, "--to", out) == 0
    weights = out / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors can't be read .*; copy the whol"
    ):
        advent_dist.load(out)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors can't be read"):
        advent_dist.load(out)


def test_adapters_are_exported_as_they_are(tmp_path: Path) -> None:
    changes = {"model__encoder": "test_vit", "model__decoder": "linear", "model__lora__rank": 2}
    run, _ = trained_run(tmp_path / "runs", data__classes="camvid11", **changes)
    assert export(run, "--to", tmp_path / "out") == 0
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    one, other = (advent_dist.load(url).predict(photo) for url in (run, tmp_path / "out"))
    assert (one.entropy == other.entropy).all()


def test_a_run_that_goes_on_meanwhile_is_not_mixed(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last checkpoint is another one when the weights are read than when the card was made."""
    weights = RunFolder.weights

    def later(folder: RunFolder, which: str) -> Any:
        found = weights(folder, which)
        summary = Path(run) / "summary.json"
        tree = json.loads(summary.read_text())
        tree["checkpoints"]["last"] = tree["checkpoints"]["best"]
        summary.write_text(json.dumps(tree))
        return found

    monkeypatch.setattr(RunFolder, "weights", later)
    before = (Path(run) / "summary.json").read_text()
    assert export(run, "--to", tmp_path / "out") == 1
    (Path(run) / "summary.json").write_text(before)
    assert "the run went on, and its last checkpoint is another one now" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
