"""`from advent_dist import load`: two lines from a run to a mask."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import advent_dist
from advent_dist import cli
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError, MissingError
from tests.unit.runs.test_trained import trained_run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_model_predicts_what_the_command_does(photo: Path, tmp_path: Path) -> None:
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    for which in ("last", "best"):
        out = tmp_path / which
        asked = ["predict", run, "--images", str(photo), "--out", str(out), "--which", which]
        assert cli.run(asked) == 0
        model = advent_dist.load(run, which)  # type: ignore[arg-type]
        train_ids, entropy = model.predict(photo)
        assert (train_ids == np.asarray(Image.open(out / "photo_trainid.png"))).all()
        assert ((255 * entropy).round() == np.asarray(Image.open(out / "photo_entropy.png"))).all()
    assert (train_ids.dtype, entropy.dtype) == (np.uint8, np.float32)
    assert model.classes.names[:2] == ("sky", "building")


def test_an_image_may_be_a_url_an_image_or_an_array(photo: Path, tmp_path: Path) -> None:
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    model = advent_dist.load(run, device="cpu")
    expected = model.predict(str(photo))
    open_folder("memory://photos").write("a.png", photo.read_bytes())
    image = Image.open(photo)
    for given in ("memory://photos/a.png", image, np.asarray(image), image.convert("RGBA")):
        found = model.predict(given)
        assert (found.train_ids == expected.train_ids).all()
        assert (found.entropy == expected.entropy).all()


def test_what_is_no_image(tmp_path: Path) -> None:
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    model = advent_dist.load(run)
    refused: tuple[tuple[Any, str], ...] = (
        (np.zeros((4, 6, 3), np.float32), r"array of float32 \[4, 6, 3\]; give RGB in 0..255"),
        (np.zeros((4, 6), np.uint8), r"array of uint8 \[4, 6\]"),
        (np.zeros((0, 6, 3), np.uint8), r"array of uint8 \[0, 6, 3\]"),
        (None, "of the type NoneType; give a path"),
        (Image.new("F", (2, 2)), "the image has the mode F"),
        (tmp_path / "run" / "config.json", "config.json: it can't be read as JPEG"),
    )
    for image, message in refused:
        with pytest.raises(DataError, match=message):
            model.predict(image)
    with pytest.raises(MissingError, match=r"gone\.png"):
        model.predict(tmp_path / "gone.png")


def test_the_import_alone_loads_no_pytorch() -> None:
    code = "import sys, advent_dist; advent_dist.load; print({'torch', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
