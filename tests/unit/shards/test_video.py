"""Frames of videos as unlabelled targets."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from advent_dist.commands.shards import main
from advent_dist.data.store import read_manifest
from advent_dist.errors import DataError
from shards.folder import ImageFolder
from shards.verify import verify

av = pytest.importorskip("av")


def film(path: Path, frames: int = 25) -> Path:
    """A video that grows brighter by 8 a frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(frames):
            pixels = np.full((32, 48, 3), 8 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_every_so_many_frames_are_taken(tmp_path: Path) -> None:
    film(tmp_path / "in" / "drive 1" / "a.1.MP4")
    out = str(tmp_path / "out")
    command = ["build", "folder", f"{tmp_path}/in", out, "--video", "**/*.mp4", "--every", "10"]
    assert main([*command, "--unlabelled"]) == 0
    assert read_manifest(out).num_samples == 3
    assert verify(out).problems == ()
    items = ImageFolder(f"{tmp_path}/in", video="**/*.mp4").items(False)
    assert [item.key for item in items] == [f"drive 1_a_1_{i:06d}" for i in (0, 10, 20)]
    for number, item in zip((0, 10, 20), items, strict=True):
        image, label = item.load(False)
        assert (image.shape, label) == ((32, 48, 3), None)
        assert abs(image.mean() - 8 * number) < 4


def test_videos_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    whole = film(tmp_path / "a.mp4")
    with pytest.raises(DataError, match=r"--video \*\.mp4: videos have no labels; build --unlab"):
        ImageFolder(str(tmp_path), video="*.mp4").items(True)
    with pytest.raises(DataError, match=r"none of its 1 files fits --video '\*\.mov'"):
        ImageFolder(str(tmp_path), video="*.mov").items(False)
    with pytest.raises(DataError, match="--every 0"):
        ImageFolder(str(tmp_path), video="*.mp4", every=0)
    whole.write_bytes(whole.read_bytes()[:400])
    with pytest.raises(DataError, match=r"a\.mp4: it can't be decoded .*; convert the video"):
        ImageFolder(str(tmp_path), video="*.mp4").items(False)


def test_the_package_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match=r"pip install 'advent-dist\[video\]'"):
        ImageFolder(str(tmp_path), video="*.mp4").items(False)
