"""The contact sheet; on object storage it is in tests/integration/test_shards.py."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advent_dist.commands.shards import main
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError
from shards.show import evenly_spaced
from tests.shard_helpers import Example, examples, write_shards


def pictures(page: str) -> list[np.ndarray]:
    """The pixels of all pictures on a page."""
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)
    return [np.array(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_numbers_are_evenly_spaced_and_distinct() -> None:
    assert evenly_spaced(100, 4) == [12, 37, 62, 87]
    assert evenly_spaced(3, 24) == [0, 1, 2]
    for total in range(1, 40):
        for count in range(1, 12):
            numbers = evenly_spaced(total, count)
            assert len(set(numbers)) == min(total, count)
            assert set(numbers) <= set(range(total))


def test_the_page_shows_samples_labels_and_class_shares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = examples(20, size=(48, 32))
    write_shards(str(tmp_path / "shards"), samples, per_shard=6, per_block=2)
    out = tmp_path / "new" / "page.html"
    assert main(["show", str(tmp_path / "shards"), "--out", str(out), "--samples", "5"]) == 0
    assert "5 samples" in capsys.readouterr().out
    page = out.read_text()
    chosen = [samples[number] for number in (2, 6, 10, 14, 18)]
    assert re.findall(r"<b>(.+?)</b> · 48 x 32 · shard-\d+\.tar", page) == [s.key for s in chosen]
    drawn = pictures(page)
    assert len(drawn) == 10
    palette = np.array([*CAMVID_11.palette, (0, 0, 0)], np.uint8)
    for sample, image, label in zip(chosen, drawn[::2], drawn[1::2], strict=True):
        assert sample.label is not None
        assert np.abs(image.mean((0, 1)) - sample.image.mean((0, 1))).max() < 8
        assert np.array_equal(label, palette[np.minimum(sample.label, 11)])
    for number, name in enumerate(CAMVID_11.names):
        assert f"{number} {name}</span>" in page
    assert "http" not in page, "it needs no network"


def test_the_page_may_lie_on_object_storage(tmp_path: Path) -> None:
    write_shards(str(tmp_path), examples(3))
    assert main(["show", str(tmp_path), "--out", "memory://pages/new/page.html"]) == 0
    page = open_folder("memory://pages/new").read("page.html").decode()
    assert len(pictures(page)) == 6
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    write_shards(str(tmp_path), examples(1, size=(1000, 500)))
    main(["show", str(tmp_path), "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert "1000 x 500" in page
    assert [picture.shape for picture in pictures(page)] == [(240, 480, 3)] * 2


def test_unlabelled_shards_have_neither_labels_nor_shares(tmp_path: Path) -> None:
    write_shards(str(tmp_path), examples(7), labelled=False)
    main(["show", str(tmp_path), "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert len(pictures(page)) == 7
    assert "Share of labelled pixels" not in page


def test_only_the_blocks_of_the_chosen_samples_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_shards(str(tmp_path), examples(24), per_shard=12, per_block=2)
    read, read_range = [], Folder.read_range

    def spy(folder: Folder, name: str, start: int, stop: int) -> bytes:
        read.append((name, start, stop - start))
        return read_range(folder, name, start, stop)

    monkeypatch.setattr(Folder, "read_range", spy)
    main(["show", str(tmp_path), "--out", str(tmp_path / "page.html"), "--samples", "2"])
    blocks = [(shard, shard.blocks[3]) for shard in manifest.shards]
    assert read == [(shard.name, block.offset, block.num_bytes) for shard, block in blocks]


def test_text_of_a_sample_is_escaped(tmp_path: Path) -> None:
    (sample,) = examples(1)
    write_shards(str(tmp_path), [Example("<script>x", sample.image, sample.label)])
    main(["show", str(tmp_path), "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;x" in page


def test_mistakes_are_named(tmp_path: Path) -> None:
    page = str(tmp_path / "page.html")
    with pytest.raises(DataError, match=r"none/manifest\.json: there is no such file"):
        main(["show", str(tmp_path / "none"), "--out", page])
    write_shards(str(tmp_path), examples(2))
    with pytest.raises(DataError, match="--samples 0: must be at least 1"):
        main(["show", str(tmp_path), "--out", page, "--samples", "0"])
    with pytest.raises(DataError, match=f"{tmp_path}: there is a folder of that name"):
        main(["show", str(tmp_path), "--out", str(tmp_path)])
    data = bytearray((tmp_path / "shard-00000.tar").read_bytes())
    data[700] ^= 1
    (tmp_path / "shard-00000.tar").write_bytes(data)
    with pytest.raises(DataError, match=r"shard-00000\.tar: bytes 0-\d+: their checksum"):
        main(["show", str(tmp_path), "--out", page])
    assert not (tmp_path / "page.html").exists()
