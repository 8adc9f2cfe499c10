from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist import cli
from tests.unit.runs.test_trained import trained_run


def test_an_ensemble_predicts_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    images = tmp_path / "images"
    images.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(images / "a.png")
    out = tmp_path / "out"
    arguments = ["predict", run, run, "--images", str(images), "--out", str(out)]
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out == f"1 images -> {out}\n"
    train_ids = np.array(Image.open(out / "a_trainid.png"))
    assert train_ids.shape == (48, 64)
    assert train_ids.max() < 11
    assert {path.name for path in out.iterdir()} == {
        "a_color.png",
        "a_entropy.png",
        "a_trainid.png",
    }
