"""`predict` from a bucket into a bucket, killed half-way: the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist import cli
from advent_dist.data.store import Folder, open_folder
from advent_dist.pictures import to_png
from shards.local_s3 import local_s3
from tests.unit.runs.test_trained import trained_run
from tests.waiting import wait_until

COUNT = 300
KINDS = ("color", "entropy", "trainid")


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folder]:
    """In a bucket of a server of their own: nothing stands before it that would cost time."""
    Path(tmp_path, "s3", "bucket").mkdir(parents=True)
    with local_s3(tmp_path / "s3") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        folder = open_folder("s3://bucket/photographs")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(partial(_write, folder), range(COUNT)))
        yield folder


def test_what_is_there_at_a_kill_is_left_and_the_rest_is_made_once(
    photographs: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained_run(tmp_path, data__classes="camvid11")
    out = open_folder("s3://bucket/predictions")
    words = ["predict", run, "--images", photographs.url, "--out"]

    with Path(tmp_path, "said.txt").open("wb") as said:
        command = [sys.executable, "-m", "advent_dist", *words, out.url]
        process = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            wait_until(
                lambda: len(out.walk()) >= COUNT * len(KINDS) / 2,
                within_s=120,
                running=process,
                said=Path(said.name).read_text,
            )
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    there = out.stamps()
    stems = [name.removesuffix(".png") for name in photographs.walk()]
    left = [stem for stem in stems if _results(stem) <= there.keys()]
    assert COUNT / 4 < len(left) < COUNT, "it was killed half-way"

    assert cli.run([*words, out.url]) == 0
    assert f"; {len(left)} were there)" in capsys.readouterr().out
    after = out.stamps()
    for stem in left:
        assert all(after[result] == there[result] for result in _results(stem)), stem

    undisturbed = tmp_path / "undisturbed"
    assert cli.run([*words, str(undisturbed)]) == 0
    files = {name for stem in stems for name in _results(stem)}
    files |= {"predictions.json", "uncertain.html"}
    assert set(open_folder(str(undisturbed)).walk()) == files
    assert set(after) == files
    with ThreadPoolExecutor(8) as threads:
        for name, data in zip(files, threads.map(out.read, files), strict=True):
            assert data == Path(undisturbed, name).read_bytes(), name


def _write(folder: Folder, number: int) -> None:
    noise = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    folder.write(f"{number // 100}/{number:03d}.png", to_png(Image.fromarray(noise)))


def _results(stem: str) -> set[str]:
    return {f"{stem}_{kind}.png" for kind in KINDS}
