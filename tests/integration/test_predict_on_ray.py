"""Predictions by workers on Ray."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist import cli
from tests.unit.runs.test_trained import trained_run

pytestmark = pytest.mark.usefixtures("ray_session")

COUNT = 40


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(COUNT):
        noise = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:02d}.png")
    return folder


def test_the_same_pictures_as_in_one_process(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of which those are not made again that are there; a bad image ends nothing."""
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    one, several = tmp_path / "one", tmp_path / "several"
    images = ["--images", str(photographs), "--overlay"]
    (photographs / "bad.png").write_bytes(b"no image")
    assert cli.run(["predict", run, *images, "--out", str(one)]) == 1
    several.mkdir()
    for kind in ("color", "trainid", "overlay", "entropy"):
        name = f"07_{kind}.png"
        (several / name).write_bytes((one / name).read_bytes())
    capsys.readouterr()
    assert cli.run(["predict", run, *images, "--out", str(several), "--workers", "2"]) == 1
    said = capsys.readouterr()
    assert f"{COUNT} images -> " in said.out
    assert "; 1 were there)" in said.out
    assert "1 of 41 images could not be read" in said.err
    assert "bad.png" in said.err
    (photographs / "bad.png").unlink()
    assert {path.name for path in several.iterdir()} == {path.name for path in one.iterdir()}
    for path in one.iterdir():
        # The mean of floats in predictions.json and in notes is the same, too.
        assert path.read_bytes() == (several / path.name).read_bytes(), path.name
    assert json.loads((several / "predictions.json").read_text())["images"] == COUNT


def test_more_workers_than_there_is_room_for(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    out = ["--images", str(photographs), "--out", str(tmp_path / "out")]
    assert cli.run(["predict", run, *out, "--workers", "5000"]) == 1
    assert "--workers 5000: the cluster has room for" in capsys.readouterr().err
    assert cli.run(["predict", run, *out, "--gpus-per-worker", "1"]) == 1
    assert "it is of use with --workers only" in capsys.readouterr().err
