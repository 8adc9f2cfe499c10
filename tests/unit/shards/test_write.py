from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from advent_dist.data.manifest import Manifest
from advent_dist.data.store import Folder, read_manifest
from advent_dist.errors import ConfigError, DataError
from shards.camvid import CamVid
from shards.dataset import Item
from shards.encode import Encoded, Encoder, encode_all, in_order
from shards.gta5 import GTA5
from shards.options import BuildOptions
from shards.streets.reader import Streets
from shards.verify import verify
from shards.write import build
from tests.unit.shards import layouts

STREETS = Streets(count=40, size=(48, 24), seed=2)
SMALL = BuildOptions(shard_mb=0.04, format="png", processes=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def members(tar: Path) -> dict[str, bytes]:
    with tarfile.open(tar) as file:
        return {m.name: file.extractfile(m).read() for m in file}  # type: ignore[union-attr]


def test_what_is_written_is_what_was_read(tmp_path: Path) -> None:
    manifest = build(STREETS, str(tmp_path), SMALL)
    assert manifest == read_manifest(str(tmp_path))
    assert len(manifest.shards) > 2
    assert manifest.num_samples == 40
    files = {k: v for shard in manifest.shards for k, v in members(tmp_path / shard.name).items()}
    histogram = np.zeros(19, int)
    for item in STREETS.items(labelled=True):
        image, label = item.load(labelled=True)
        assert label is not None
        for name, pixels in (("image.png", image), ("label.png", label)):
            stored = Image.open(io.BytesIO(files[f"{item.key}.{name}"]))
            np.testing.assert_array_equal(np.asarray(stored), pixels)
        histogram += np.bincount(label.ravel(), minlength=256)[:19]
    assert len(files) == 80
    assert list(manifest.class_histogram) == histogram.tolist()
    assert manifest.class_pixels is not None
    assert manifest.class_pixels.sum(0).tolist() == histogram.tolist()


def test_blocks_cover_each_shard_and_stay_small(tmp_path: Path) -> None:
    manifest = build(STREETS, str(tmp_path), BuildOptions(shard_mb=1, processes=1))
    (shard,) = manifest.shards
    assert [block.num_samples for block in shard.blocks] == [32, 8]
    data = (tmp_path / shard.name).read_bytes()
    second = shard.blocks[1]
    part = data[second.offset : second.offset + second.num_bytes]
    with tarfile.open(fileobj=io.BytesIO(part)) as tar:
        assert len(tar.getnames()) == 16


def test_the_bytes_depend_on_neither_time_nor_processes(tmp_path: Path) -> None:
    build(STREETS, str(tmp_path / "a"), SMALL)
    parallel = BuildOptions(shard_mb=0.04, format="png", processes=2)
    build(STREETS, str(tmp_path / "b"), parallel)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_order_is_mixed_unless_asked_otherwise(tmp_path: Path) -> None:
    plain = BuildOptions(shuffle=False, processes=1)
    build(STREETS, str(tmp_path / "plain"), plain)
    build(STREETS, str(tmp_path / "mixed"), BuildOptions(processes=1))
    sorted_keys = [name for item in STREETS.items(True) for name in [item.key]]
    plain_keys, mixed_keys = (
        [n.split(".")[0] for n in members(tmp_path / f / "000000.tar") if n.endswith("label.png")]
        for f in ("plain", "mixed")
    )
    assert plain_keys == sorted_keys
    assert mixed_keys != sorted_keys
    assert sorted(mixed_keys) == sorted_keys


@pytest.mark.parametrize("survivors", [1, 2])
def test_an_interrupted_build_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survivors: int
) -> None:
    build(STREETS, str(tmp_path / "whole"), SMALL)
    write, fresh = Folder.write, []

    def dies(folder: Folder, name: str, data: bytes) -> None:
        if name == f"{survivors:06d}.json":  # after the tar, before its record
            raise KeyboardInterrupt
        write(folder, name, data)

    def counts(folder: Folder, name: str, data: bytes) -> None:
        fresh.append(name)
        write(folder, name, data)

    half = str(tmp_path / "half")
    monkeypatch.setattr(Folder, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        build(STREETS, half, SMALL)
    with pytest.raises(DataError, match=r"manifest\.json"):
        read_manifest(half)
    monkeypatch.setattr(Folder, "write", counts)
    build(STREETS, half, SMALL)
    assert contents(tmp_path / "half") == contents(tmp_path / "whole")
    assert f"{survivors:06d}.tar" in fresh
    assert f"{survivors - 1:06d}.tar" not in fresh


def test_the_rest_of_another_build_is_not_taken_over(tmp_path: Path) -> None:
    other = Streets(count=40, size=(48, 24), seed=3)
    build(STREETS, str(tmp_path / "whole"), SMALL)
    half = tmp_path / "half"

    def stops(encoder: Encoder, items: Sequence[Item]) -> Iterator[Encoded]:
        yield from encode_all(encoder, items[:20], processes=1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(other, str(half), SMALL, stops)
    assert (half / "000000.tar").exists()
    with pytest.raises(DataError, match=r"half holds an unfinished build of something else"):
        build(STREETS, str(half), SMALL)
    build(STREETS, str(half), replace(SMALL, overwrite=True))
    assert contents(half) == contents(tmp_path / "whole")


@pytest.mark.parametrize("folder", ["train", "trainannot"])
def test_a_build_begins_anew_when_files_have_changed(tmp_path: Path, folder: str) -> None:
    root = layouts.camvid(tmp_path / "camvid")
    options = BuildOptions(shard_mb=0.0001, processes=1, format="png")
    half = tmp_path / "half"

    def stops(encoder: Encoder, items: Sequence[Item]) -> Iterator[Encoded]:
        yield from encode_all(encoder, items[:2], processes=1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(CamVid(root), str(half), options, stops)
    assert (half / "000001.tar").exists()
    for file in (root / folder).iterdir():
        new = layouts.photograph(9) if folder == "train" else layouts.ids([5])
        layouts.save(file, new)
    with pytest.raises(DataError, match=r"unfinished build .* of files that have changed since"):
        build(CamVid(root), str(half), options)
    build(CamVid(root), str(half), replace(options, overwrite=True))
    build(CamVid(root), str(tmp_path / "whole"), options)
    assert contents(half) == contents(tmp_path / "whole")


def test_one_build_a_folder(tmp_path: Path) -> None:
    """Another one is refused, or waits and takes what it finds where both build the same."""
    refused: list[str] = []
    later: list[Manifest] = []
    waits = Thread(
        target=lambda: later.append(build(STREETS, str(tmp_path / "one"), SMALL, shared=True))
    )

    def beside(encoder: Encoder, items: Sequence[Item]) -> Iterator[Encoded]:
        with pytest.raises(
            ConfigError, match=r"one is in use by .*or give another folder"
        ) as error:
            build(Streets(count=3, size=(48, 24), seed=3), str(tmp_path / "one"), SMALL)
        refused.append(str(error.value))
        waits.start()
        yield from encode_all(encoder, items, processes=1)

    first = build(STREETS, str(tmp_path / "one"), SMALL, beside)
    waits.join()
    assert refused
    assert later == [first]
    build(STREETS, str(tmp_path / "whole"), SMALL)
    assert contents(tmp_path / "one") == contents(tmp_path / "whole")


def test_unfinished_files_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    build(STREETS, str(tmp_path / "whole"), SMALL)
    half = tmp_path / "half"
    half.mkdir()
    mine = {".notes": b"mine", "000001.tar.bak": b"mine"}
    left_over = {".000001.tar.k3_xq81z": b"", ".000000.json.abcdefgh": b"{"}
    for name, data in (mine | left_over).items():
        (half / name).write_bytes(data)
    build(STREETS, str(half), SMALL)
    assert contents(half) == contents(tmp_path / "whole") | mine


def test_a_build_goes_on_from_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts.camvid(tmp_path / "camvid")
    options = BuildOptions(shard_mb=0.0001, processes=1)
    build(CamVid(tmp_path / "camvid"), str(tmp_path / "whole"), options)

    def stops(encoder: Encoder, items: Sequence[Item]) -> Iterator[Encoded]:
        yield from encode_all(encoder, items[:2], processes=1)
        raise KeyboardInterrupt

    def counts(encoder: Encoder, items: Sequence[Item]) -> Iterator[Encoded]:
        assert len(items) == 1, "two of the three were done"
        return encode_all(encoder, items, processes=1)

    half = str(tmp_path / "half")
    with pytest.raises(KeyboardInterrupt):
        build(CamVid(tmp_path / "camvid"), half, options, stops)
    monkeypatch.chdir(tmp_path)
    build(CamVid(Path("camvid")), half, options, counts)
    assert contents(tmp_path / "half") == contents(tmp_path / "whole")


def test_tasks_are_collected_in_order_and_few_are_unfinished() -> None:
    items = list(STREETS.items(labelled=False)) * 5
    unfinished: list[Sequence[Item]] = []
    most = 0

    def submit(chunk: Sequence[Item]) -> Sequence[Item]:
        nonlocal most
        unfinished.append(chunk)
        most = max(most, len(unfinished))
        return chunk

    def collect(task: Sequence[Item]) -> list[Encoded]:
        unfinished.remove(task)
        return [Encoded(item.key, b"", None, ()) for item in task]

    keys = [sample.key for sample in in_order(items, submit, collect, ahead=4)]
    assert keys == [item.key for item in items]
    assert most == 4


def test_shards_are_only_replaced_when_asked(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    build(STREETS, str(tmp_path), SMALL)
    before = contents(tmp_path)
    fewer = Streets(count=5, size=(48, 24))
    with pytest.raises(DataError, match=r"holds shards already; .* --overwrite"):
        build(fewer, str(tmp_path), SMALL)
    assert contents(tmp_path) == before
    with pytest.raises(DataError, match="missing/train does not exist"):
        build(CamVid(Path("missing")), str(tmp_path), BuildOptions(overwrite=True))
    assert contents(tmp_path) == before
    build(fewer, str(tmp_path), BuildOptions(overwrite=True, processes=1))
    assert set(contents(tmp_path)) == {"notes.txt", "000000.tar", "manifest.json"}
    assert verify(str(tmp_path)).problems == ()


def test_unlabelled_shards_never_read_a_label(tmp_path: Path) -> None:
    root = layouts.gta5(tmp_path / "gta5")
    for label in (root / "labels").iterdir():
        label.unlink()
    manifest = build(GTA5(root), str(tmp_path / "out"), BuildOptions(unlabelled=True))
    assert not manifest.labelled
    assert manifest.class_histogram == ()
    assert manifest.class_pixels is None
    assert set(members(tmp_path / "out" / "000000.tar")) == {"00001.image.jpg", "00002.image.jpg"}


def test_resize_and_sizes_that_differ(tmp_path: Path) -> None:
    root = layouts.gta5(tmp_path / "gta5", label_size=(11, 8))
    with pytest.raises(DataError, match=r"images/0000\d\.png: its label is 11x8, .* 12x8"):
        build(GTA5(root), str(tmp_path / "out"))
    options = BuildOptions(resize=(6, 4), format="png")
    build(GTA5(root), str(tmp_path / "out"), options)
    files = members(tmp_path / "out" / "000000.tar")
    image, label = (Image.open(io.BytesIO(files[f"00001.{n}.png"])) for n in ("image", "label"))
    assert image.size == label.size == (6, 4)
    expected = Image.fromarray(layouts.photograph(1)).resize((6, 4), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    _, full = GTA5(root).items(labelled=True)[0].load(labelled=True)
    assert full is not None
    nearest = Image.fromarray(full).resize((6, 4), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(np.asarray(label), np.asarray(nearest))


@pytest.mark.parametrize("resize", [None, (6, 4)])
def test_pairs_of_another_shape_are_refused(tmp_path: Path, resize: tuple[int, int] | None) -> None:
    root = layouts.gta5(tmp_path / "gta5", label_size=(8, 12))
    said = r"images/0000\d\.png: its label is 8x12, but the image is 12x8 .* another shape"
    with pytest.raises(DataError, match=said):
        build(GTA5(root), str(tmp_path / "out"), BuildOptions(resize=resize))


@pytest.mark.parametrize("size", [(6, 4), (24, 16), (36, 25)])
def test_pairs_of_one_shape_are_brought_to_one_size(tmp_path: Path, size: tuple[int, int]) -> None:
    root = layouts.gta5(tmp_path / "gta5", label_size=size)
    with pytest.raises(DataError, match="build with --resize"):
        build(GTA5(root), str(tmp_path / "out"))
    assert build(GTA5(root), str(tmp_path / "out"), BuildOptions(resize=(6, 4))).num_samples == 2


def test_labels_without_a_labelled_pixel_are_refused(tmp_path: Path) -> None:
    root, out = layouts.camvid(tmp_path / "camvid", values=[11]), tmp_path / "out"
    with pytest.raises(DataError, match="none of the 3 labels has a labelled pixel, all are void"):
        build(CamVid(root), str(out))
    assert contents(out) == {}
    layouts.camvid(root, values=[3])
    assert build(CamVid(root), str(out)).class_histogram[3] == 3 * 12 * 8


def test_names_with_a_dot_are_refused(tmp_path: Path) -> None:
    root = layouts.camvid(tmp_path / "camvid")
    for number in (1, 2):
        layouts.save(root / "train" / f"drive.{number}.png", layouts.photograph(number))
    with pytest.raises(DataError, match=r"train/drive\.\d\.png: the dot in .* rename the file"):
        build(CamVid(root), str(tmp_path / "out"), BuildOptions(unlabelled=True, processes=1))
    assert not (tmp_path / "out").exists()


def test_options_are_checked() -> None:
    with pytest.raises(DataError, match="quality = 101"):
        BuildOptions(quality=101)
    with pytest.raises(DataError, match="shard_mb = 0"):
        BuildOptions(shard_mb=0)


def test_the_manifest_names_data_set_and_options(tmp_path: Path) -> None:
    build(STREETS, str(tmp_path), SMALL)
    raw = json.loads((tmp_path / "manifest.json").read_text())
    assert raw["classes"] == "cityscapes19"
    assert raw["dataset"].startswith("streets look=clean count=40 size=48,24 seed=2 ")
    assert "format=png" in raw["dataset"]
