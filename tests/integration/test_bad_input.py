"""A user's mistake is one line on stderr and exit status 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from advent_dist import cli
from advent_dist.config import Experiment
from advent_dist.config.override import to_json
from advent_dist.data.store import open_folder
from advent_dist.runs.folder import RunFolder
from tests.helpers import tiny_run, write_tiny_shards


@pytest.fixture
def root(tmp_path: Path) -> str:
    write_tiny_shards(str(tmp_path / "data"))
    return str(tmp_path / "data")


def _message(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    root: str,
    call: Sequence[str] = (),
    *,
    begins: bool = False,
    **changes: Any,
) -> str:
    """What `advent-dist train` says of a run that can't be, or has begun and can't go on."""
    config = tmp_path / "config.json"
    config.write_text(to_json(tiny_run(root, str(tmp_path / "runs"), **changes)))
    capfd.readouterr()
    assert cli.run(["train", "--config", str(config), *call]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert any("go on with: advent-dist train" in line for line in lines) == begins
    said = [line for line in lines if line.startswith("advent-dist")]
    assert len(said) == 1
    return said[0]


def test_found_before_any_worker_starts(
    root: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def say(**changes: Any) -> str:
        return _message(tmp_path, capfd, root, **changes)

    assert "there is no such file" in say(data__source="nowhere")
    assert "class" in say(data__classes="cityscapes19")
    assert "have no labels" in say(data__source="target")
    assert "did you mean" in say(model__encoder="resnet5O")
    said = say(model__encoder="skresnet18", data__batch_size_per_rank=1)
    assert "give batches of 2 or more" in said
    assert "no such file" in say(model__weights=str(tmp_path / "none.pth"))
    assert "too few" in say(cluster__workers=11)
    assert not (tmp_path / "runs").exists()


def test_storage(bucket: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "no bucket 'elsewhere'" in _message(tmp_path, capfd, "s3://elsewhere/shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
        said = _message(tmp_path, capfd, f"{bucket}/shards")
    assert "access denied" in said
    assert "not-the-secret" not in said


@pytest.mark.usefixtures("ray_session")
def test_found_by_the_workers(root: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Once, however often the run may start again: it would meet the same."""
    folder = open_folder(f"{root}/source")
    first = next(name for name in folder.list() if name.endswith(".tar"))
    whole = folder.read(first)
    folder.write(first, whole[: len(whole) // 2])
    assert "cut short" in _message(tmp_path, capfd, root, begins=True, cluster__max_failures=-1)


def test_runs_that_are_in_the_way(
    begun: Experiment, shards: str, bucket: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def say(**changes: Any) -> str:
        same = {"run__storage": f"{bucket}/runs", "run__name": "begonnen_für_später", **changes}
        return _message(tmp_path, capfd, shards, **same)

    run = RunFolder.of(begun)
    rows, summary = run.rows(), run.summary()
    assert "cluster.workers = 9" in say(run__name="another", cluster__workers=9)
    assert "go on with --resume" in say()
    other = say(call=["--resume"], model__encoder="resnet10t")
    assert "model.encoder = 'resnet10t'" in other
    assert "'test_resnet'" in other
    assert (run.rows(), run.summary()) == (rows, summary)


@pytest.mark.usefixtures("ray_session")
def test_a_loss_that_is_not_finite(
    root: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = _message(
        tmp_path,
        capfd,
        root,
        begins=True,
        run__name="diverges",
        cluster__workers=1,
        optimizer__segmenter="sgd",
        optimizer__segmenter_lr=1e30,
        run__checkpoint_every=1,
    )
    assert "loss/" in said
    assert "at step" in said
    assert "source samples s00" in said
