"""Predictions as a video."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist import cli
from advent_dist.runs.video import frame_size, natural_order
from tests.unit.runs.test_trained import trained_run

av = pytest.importorskip("av")


def frames(video: Path) -> tuple[list[np.ndarray], Fraction]:
    """Pixels of each frame, RGB, and the frames a second."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return decoded, stream.average_rate


def test_numbers_in_names_are_counted() -> None:
    names = ["drive/10.png", "drive/9.png", "drive 10/1.png", "drive 9/1.png", "a/9.png", "b.png"]
    ordered = ["a/9.png", "b.png", "drive/9.png", "drive/10.png", "drive 9/1.png", "drive 10/1.png"]
    assert sorted(names, key=natural_order) == ordered
    assert sorted(["1.png", "01.png", "x1y.png", "x.png"], key=natural_order)[:2] == [
        "01.png",
        "1.png",
    ]


def test_frames_have_even_sides_that_players_take() -> None:
    assert frame_size((64, 48)) == (64, 48)
    assert frame_size((61, 47)) == (60, 48)
    assert frame_size((4000, 3000)) == (1920, 1440)
    assert frame_size((1, 4000)) == (2, 1920)


def test_the_overlays_in_natural_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of another shape on black; the same command makes it of what is there."""
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    images, out, video = tmp_path / "images", tmp_path / "out", tmp_path / "films" / "a.MP4"
    (images / "9").mkdir(parents=True)
    (images / "10").mkdir()
    Image.new("RGB", (64, 48), (255, 0, 0)).save(images / "9" / "9.png")
    Image.new("RGB", (64, 48), (0, 255, 0)).save(images / "9" / "10.png")
    Image.new("RGB", (20, 48), (0, 0, 255)).save(images / "10" / "1.png")
    command = ["predict", run, "--images", str(images), "--out", str(out), "--video", str(video)]
    assert cli.run([*command, "--fps", "12.5"]) == 0
    assert f"3 frames -> {video}" in capsys.readouterr().out
    shown, rate = frames(video)
    assert rate == Fraction(25, 2)
    assert [frame.shape for frame in shown] == 3 * [(48, 64, 3)]
    for frame, name in zip(shown[:2], ("9/9", "9/10"), strict=True):
        overlay = np.asarray(Image.open(out / f"{name}_overlay.png"))
        assert np.abs(frame.astype(int) - overlay).mean() < 8, name
    assert shown[2][:, :18].mean() < 8, "black beside a narrow one"
    assert shown[2][:, 28:36, 2].mean() > 100

    video.unlink()
    (images / "bad.png").write_bytes(b"no image")
    assert cli.run(command) == 1
    said = capsys.readouterr()
    assert "; 3 were there)" in said.out
    assert "1 of 4 images could not be read" in said.err
    shown, rate = frames(video)
    assert (len(shown), rate) == (3, 10)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--fps", "5"], "--fps = 5.0: it is of use with --video only"),
        (["--video", "a.mp4", "--fps", "0"], "--fps = 0.0: give 0.01 to 120"),
        (["--video", "a.mp4", "--fps", "nan"], "--fps = nan: give 0.01"),
        (["--video", "a.mov"], "--video = 'a.mov': give a name that ends in .mp4"),
        (["--video", "s3://a.mp4"], "s3://a.mp4: give the path or URL of a file"),
        (["--video", "nowhere://x/a.mp4"], "no access to nowhere://"),
        (["--video", "folder.mp4"], "--video = 'folder.mp4': a folder is there"),
    ],
)
def test_what_can_not_be_made_is_refused_first(
    flags: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.mp4").mkdir()
    assert cli.run(["predict", "no_run", "--images", "none", "--out", "out", *flags]) == 1
    assert message in capsys.readouterr().err


def test_the_package_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    command = ["predict", "no_run", "--images", "none", "--out", "out", "--video", "a.mp4"]
    assert cli.run(command) == 1
    assert "--video a.mp4: writing videos takes PyAV; pip install" in capsys.readouterr().err
