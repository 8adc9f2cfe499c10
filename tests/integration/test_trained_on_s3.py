"""Trained runs, images and what is made of them, all on object storage."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist import cli, load
from advent_dist.data.store import open_folder
from advent_dist.pictures import to_png
from tests.helpers import write_tiny_shards
from tests.unit.runs.test_trained import trained_run


@pytest.fixture(scope="module")
def run(bucket: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run with two checkpoints, whose evaluation images lie beside it."""
    write_tiny_shards(f"{bucket}/shards", num_samples=2)
    here = tmp_path_factory.mktemp("runs")
    changes = {"root": f"{bucket}/shards", "evaluation": "evaluation", "classes": "camvid11"}
    local, _ = trained_run(here, **{f"data__{name}": value for name, value in changes.items()})
    folder = open_folder(f"{bucket}/runs/run")
    for name in open_folder(local).walk():
        folder.write(name, Path(local, name).read_bytes())
    return folder.url


def test_predict(
    run: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    photos = open_folder(f"{bucket}/photos")
    photos.write("a/b.png", to_png(Image.new("RGB", (30, 20), (200, 0, 0))))
    photos.write("notes.txt", b"no image")
    assert cli.run(["predict", run, "--images", photos.url, "--out", f"{bucket}/x"]) == 0
    assert "1 files (notes.txt)" in capsys.readouterr().err
    results = open_folder(f"{bucket}/x")
    assert results.walk() == [f"a/b_{kind}.png" for kind in ("color", "entropy", "trainid")]
    assert Image.open(io.BytesIO(results.read("a/b_trainid.png"))).size == (30, 20)
    photos.write("c.png", to_png(Image.new("RGB", (30, 20), (0, 200, 0))))
    capsys.readouterr()
    assert cli.run(["predict", run, "--images", photos.url, "--out", f"{bucket}/x"]) == 0
    assert "2 images -> " in (said := capsys.readouterr().out)
    assert "; 1 were there)" in said
    assert {"predictions.json", "uncertain.html"} == set(results.list()) - {
        f"c_{kind}.png" for kind in ("color", "entropy", "trainid")
    }
    alone = ["--images", f"{photos.url}/a/b.png", "--out", f"{bucket}/y"]
    assert cli.run(["predict", run, *alone, "--video", f"{bucket}/films/one.mp4"]) == 0
    assert b"ftyp" in open_folder(f"{bucket}/films").read("one.mp4")[:16]
    # Their notes of the file differ: S3 tells less of one than of those in a list.
    one, other = (
        np.asarray(Image.open(io.BytesIO(data)))
        for data in (open_folder(f"{bucket}/y").read("b_color.png"), results.read("a/b_color.png"))
    )
    assert (one == other).all()
    assert cli.run(["predict", run, "--images", "s3://nowhere/x", "--out", "y"]) == 1
    assert "there is no bucket 'nowhere'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir()), "nothing is written to a folder called s3:"


def test_export(run: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["export", run, "--to", f"{bucket}/hub/model"]) == 0
    assert cli.run(["export", run, "--to", f"{bucket}/hub/model"]) == 1
    assert cli.run(["export", run, "--to", f"{bucket}/hub/model", "--overwrite"]) == 0
    photo = Image.new("RGB", (30, 20), (200, 0, 0))
    one, other = (load(url).predict(photo) for url in (run, f"{bucket}/hub/model"))
    assert (one.entropy == other.entropy).all()
    assert not list(tmp_path.iterdir())


def test_report(run: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["report", run]) == 0
    page = f"{bucket}/pages/one.html"
    assert cli.run(["report", run, "--out", page]) == 0
    assert open_folder(run).read("report.html") == open_folder(f"{bucket}/pages").read("one.html")
    assert not list(tmp_path.iterdir())
