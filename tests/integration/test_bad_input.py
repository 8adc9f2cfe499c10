"""A user's mistake is one line on stderr and exit status 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advent_dist import cli
from advent_dist.config import Call
from advent_dist.config.override import to_json
from advent_dist.data.store import open_folder
from cluster.launch import launch
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import examples, write_shards


@pytest.fixture
def root(tmp_path: Path) -> str:
    write_tiny_shards(str(tmp_path / "data"))
    return str(tmp_path / "data")


def _message(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    root: str,
    call: Sequence[str] = (),
    **changes: Any,
) -> str:
    """What `advent-dist train` says of a run that can't be."""
    config = tmp_path / "config.json"
    config.write_text(to_json(tiny_run(root, str(tmp_path / "runs"), **changes)))
    capfd.readouterr()
    assert cli.run(["train", "--config", str(config), *call]) == 1
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("advent-dist")]
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
    def say(**changes: Any) -> str:
        return _message(tmp_path, capfd, root, **changes)

    folder = open_folder(f"{root}/source")
    first = next(name for name in folder.list() if name.endswith(".tar"))
    whole = folder.read(first)
    folder.write(first, whole[: len(whole) // 2])
    assert "cut short" in say()
    folder.write(first, b"")
    assert "cut short" in say()

    wrong = examples(10, size=(64, 64))
    beyond = np.full((64, 64), 11, dtype=np.uint8)
    beyond[0] = 3  # or there would be nothing to learn, which is found before
    write_shards(f"{root}/source", [one._replace(label=beyond) for one in wrong])
    assert "value 11" in say()
    small = np.zeros((32, 32), dtype=np.uint8)
    write_shards(f"{root}/source", [one._replace(label=small) for one in wrong])
    assert "32x32" in say()


@pytest.mark.usefixtures("ray_session")
def test_runs_that_are_in_the_way(
    root: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def say(**changes: Any) -> str:
        return _message(tmp_path, capfd, root, run__name="one", **changes)

    assert "cluster.workers = 9" in say(cluster__workers=9)
    launch(tiny_run(root, str(tmp_path / "runs"), run__name="one", run__steps=2))
    assert "go on with --resume" in say()
    other = say(call=["--resume"], model__encoder="resnet10t")
    assert "model.encoder = 'resnet10t'" in other
    assert "'test_resnet'" in other
    # Nothing was lost: the run goes on.
    again = tiny_run(root, str(tmp_path / "runs"), run__name="one")
    assert launch(again, Call(resume=True)).step == 4


@pytest.mark.usefixtures("ray_session")
def test_a_loss_that_is_not_finite(
    root: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = _message(
        tmp_path,
        capfd,
        root,
        run__name="diverges",
        optimizer__segmenter="sgd",
        optimizer__segmenter_lr=1e30,
        run__checkpoint_every=1,
    )
    assert "loss/" in said
    assert "at step" in said
    assert "source samples s00" in said
