from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist import cli
from tests.checkpoint_parts import write_weights
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
    assert capsys.readouterr().out.startswith(f"1 images -> {out} (")
    train_ids = np.array(Image.open(out / "a_trainid.png"))
    assert train_ids.shape == (48, 64)
    assert train_ids.max() < 11
    assert {path.name for path in out.iterdir()} == {
        "a_color.png",
        "a_entropy.png",
        "a_trainid.png",
    }


def test_windows_over_an_image(tmp_path: Path) -> None:
    """One that is as large as the input changes nothing; smaller ones do."""
    run, (segmenter, _) = trained_run(tmp_path, data__classes="camvid11")
    # Surer than random weights are, whose entropy is white all over.
    weights = segmenter.state_dict()
    write_weights(run, 4, {k: 100 * v if "main_head" in k else v for k, v in weights.items()})
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    found = []
    several = ["32", "32"]
    for number, windows in enumerate(
        ([], ["64", "64"], several, [*several, "--average", "probabilities"])
    ):
        out = tmp_path / f"out{number}"
        arguments = ["predict", run, "--images", str(tmp_path / "a.png"), "--out", str(out)]
        assert cli.run([*arguments, *(["--window", *windows] if windows else [])]) == 0
        found.append(np.array(Image.open(out / "a_entropy.png")).astype(int))
    whole, one, of_logits, of_probabilities = found
    assert np.abs(one - whole).max() <= 1
    assert np.abs(of_logits - whole).max() > 10
    # What windows disagree on is less sure by the mean of their probabilities.
    assert of_probabilities.mean() > of_logits.mean() + 0.5


def test_several_looks_at_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, (segmenter, _) = trained_run(tmp_path, data__classes="camvid11")
    weights = segmenter.state_dict()
    write_weights(run, 4, {k: 100 * v if "main_head" in k else v for k, v in weights.items()})
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    Image.fromarray(noise[:, ::-1]).save(tmp_path / "b.png")
    found = {}
    for number, flags in enumerate(([], ["--flip"], ["--scales", "0.5", "1"])):
        for name in "ab":
            out = tmp_path / f"out{number}"
            arguments = ["predict", run, "--images", str(tmp_path / f"{name}.png"), "--out"]
            assert cli.run([*arguments, str(out), *flags]) == 0
            found[number, name] = np.array(Image.open(out / f"{name}_entropy.png")).astype(int)
    assert np.abs(found[1, "a"] - found[1, "b"][:, ::-1]).max() <= 1, "both sides alike"
    assert np.abs(found[0, "a"] - found[0, "b"][:, ::-1]).max() > 1
    assert np.abs(found[2, "a"] - found[0, "a"]).max() > 1
    arguments = ["predict", run, "--images", str(tmp_path / "a.png"), "--scales", "0"]
    assert cli.run([*arguments, "--out", str(tmp_path / "x")]) == 1
    assert "--scales = (0.0,): give factors of the size" in capsys.readouterr().err


def test_the_same_command_goes_on_and_says_what_it_came_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bad image ends nothing; an overlay is the mean of image and colours."""
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    for name, pixels in zip("abc", noise, strict=True):
        Image.fromarray(pixels).save(images / f"{name}.png")
    (images / "bad.png").write_bytes(b"no image")
    arguments = ["predict", run, "--images", str(images), "--out", str(out), "--overlay"]
    assert cli.run(arguments) == 1
    said = capsys.readouterr()
    assert f"3 images -> {out} (" in said.out
    assert f"the most uncertain images: {out}/uncertain.html" in said.out
    assert "1 of 4 images could not be read" in said.err
    overlay, color = (np.array(Image.open(out / f"a_{kind}.png")) for kind in ("overlay", "color"))
    assert (overlay == noise[0] // 2 + color // 2).all()
    (images / "bad.png").unlink()
    made = {path: path.read_bytes() for path in out.iterdir()}
    (out / "b_entropy.png").unlink()
    assert cli.run(arguments) == 0
    assert "; 2 were there)" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in out.iterdir()} == made
    summary = json.loads((out / "predictions.json").read_text())
    assert summary["images"] == 3
    assert sum(summary["classes"].values()) == pytest.approx(1)
    entropies = list(summary["entropies"].values())
    assert entropies == sorted(entropies, reverse=True)
    page = (out / "uncertain.html").read_text()
    assert all(f"{name}.png, mean entropy" in page for name in "abc")
    assert len(page) < 1e6


def test_a_summary_of_somebody_else_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    images = tmp_path / "images"
    images.mkdir()
    for name in "ab":
        Image.new("RGB", (64, 48)).save(images / f"{name}.png")
    for theirs in ("predictions.json", "uncertain.html"):
        out = tmp_path / theirs.partition(".")[0]
        out.mkdir()
        (out / theirs).write_text('{"mine": 1}')
        arguments = ["predict", run, "--images", str(images), "--out", str(out)]
        assert cli.run(arguments) == 1
        assert f"{theirs} there is of no predict of advent-dist" in capsys.readouterr().err
        assert [path.name for path in out.iterdir()] == [theirs]
        (out / theirs).unlink()
        assert cli.run(arguments) == cli.run(arguments) == 0
