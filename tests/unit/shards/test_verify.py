from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from advent_dist.commands.shards import main
from advent_dist.errors import DataError
from shards.dataset import Pixels
from shards.options import BuildOptions
from shards.streets.reader import StreetItem, Streets
from shards.verify import verify
from shards.write import build
from tests.shard_helpers import examples, write_shards

STREETS = Streets(count=12, size=(48, 24))
OPTIONS = BuildOptions(shard_mb=0.02, processes=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(STREETS, str(tmp_path), OPTIONS)
    return tmp_path


def edit_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    raw = json.loads((folder / "manifest.json").read_text())
    change(raw)
    (folder / "manifest.json").write_text(json.dumps(raw))


def test_sound_shards_have_no_problems(folder: Path) -> None:
    verdict = verify(str(folder))
    assert verdict.problems == ()
    assert verdict.num_samples == 12
    assert verdict.num_shards > 1
    assert main(["verify", str(folder)]) == 0


def test_a_flipped_byte_is_found_and_placed(folder: Path) -> None:
    data = bytearray((folder / "000001.tar").read_bytes())
    data[600] ^= 1
    (folder / "000001.tar").write_bytes(data)
    problems = verify(str(folder)).problems
    assert any("000001.tar: its sha256" in problem for problem in problems)
    assert any("000001.tar: bytes 0-" in problem for problem in problems)
    assert not any("000000.tar" in problem for problem in problems)


def test_wrong_pixels_of_a_sample_are_found(folder: Path) -> None:
    def change(raw: dict) -> None:
        raw["shards"][0]["blocks"][0]["class_pixels"][0] = "0:1"

    edit_manifest(folder, change)
    (problem,) = verify(str(folder)).problems
    assert "000000.tar" in problem
    assert "class_pixels are not those of its label" in problem


def test_pixels_of_other_samples_than_there_are_cant_be(folder: Path) -> None:
    edit_manifest(folder, lambda raw: raw["shards"][0]["blocks"][0]["class_pixels"].append("0:1"))
    with pytest.raises(DataError, match=r"class_pixels of \d+ samples, not \d+; build the shards"):
        verify(str(folder))


def test_missing_short_and_surplus_shards_are_found(folder: Path) -> None:
    first = (folder / "000000.tar").read_bytes()
    (folder / "000000.tar").write_bytes(first[:1000])
    (folder / "000001.tar").rename(folder / "000077.tar")
    problems = verify(str(folder)).problems
    assert any("000000.tar: bytes" in problem and "1000" in problem for problem in problems)
    assert any("000001.tar" in problem and "no such file" in problem for problem in problems)
    assert any("000077.tar: it is not in the manifest" in problem for problem in problems)


def test_bytes_after_the_end_are_found(folder: Path) -> None:
    with (folder / "000000.tar").open("ab") as tar:
        tar.write(b"more")
    (problem,) = verify(str(folder)).problems
    assert "000000.tar: it has more than the manifest's" in problem


def test_memory_does_not_grow_with_the_size_of_a_shard(tmp_path: Path) -> None:
    write_shards(str(tmp_path), examples(40, size=(500, 500)), per_shard=40, per_block=2)
    assert (tmp_path / "shard-00000.tar").stat().st_size > 30e6
    tracemalloc.start()
    try:
        assert verify(str(tmp_path)).problems == ()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10e6


def test_a_label_out_of_range_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = StreetItem.load

    def wrong(item: StreetItem, labelled: bool) -> tuple[Pixels, Pixels | None]:
        image, label = load(item, labelled)
        if item.key == "clean_0_000003":
            label = np.full_like(image[..., 0], 19)
        return image, label

    monkeypatch.setattr(StreetItem, "load", wrong)
    build(STREETS, str(tmp_path), OPTIONS)
    (problem,) = verify(str(tmp_path)).problems
    assert "sample clean_0_000003" in problem
    assert "19" in problem


def test_a_wrong_histogram_and_wrong_counts_are_found(folder: Path) -> None:
    edit_manifest(folder, lambda raw: raw["class_histogram"].__setitem__(0, 1))
    assert "class_histogram" in verify(str(folder)).problems[0]
    edit_manifest(folder, lambda raw: raw["shards"][0].update(num_samples=1))
    with pytest.raises(
        DataError, match=r"manifest.json: 000000.tar: its blocks do not add up to 1 sam"
    ):
        verify(str(folder))


def test_classes_without_a_pixel_are_a_warning_and_no_pixel_at_all_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some, void = (
        [sample._replace(label=sample.label * 0 + value) for sample in examples(2)]
        for value in (3, 255)
    )
    write_shards(str(tmp_path / "some"), some)
    said = f"{tmp_path}/some: no labelled pixel in 10 of the 11 classes: sky, building, pole"
    assert main(["verify", str(tmp_path / "some")]) == 0
    assert f"warning: {said}" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "some"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"][0].startswith(said)
    write_shards(str(tmp_path / "void"), void)
    assert main(["verify", str(tmp_path / "void")]) == 1
    shown = capsys.readouterr().out
    assert f"{tmp_path}/void: none of its labels has a labelled pixel\n" in shown
    assert "warning" not in shown


def test_class_names_of_another_set_are_found(folder: Path) -> None:
    edit_manifest(folder, lambda raw: raw["class_names"].reverse())
    (problem,) = verify(str(folder)).problems
    assert "class_names are not those of cityscapes19" in problem


def test_labels_that_should_not_be_there_are_found(folder: Path) -> None:
    edit_manifest(folder, lambda raw: raw.update(labelled=False, class_histogram=[]))
    assert len(verify(str(folder)).problems) == 12


def test_a_key_that_occurs_twice_is_found(folder: Path) -> None:
    def twice(raw: dict) -> None:
        raw["shards"].append(raw["shards"][0])

    edit_manifest(folder, twice)
    assert any("occurs twice" in problem for problem in verify(str(folder)).problems)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.json"):
        verify(str(tmp_path))


def test_a_block_of_another_name_than_the_manifest_says_is_found(tmp_path: Path) -> None:
    """The disk cache goes by these names."""
    write_shards(str(tmp_path), examples(2))
    path = tmp_path / "manifest.json"
    tree = json.loads(path.read_text())
    tree["shards"][0]["blocks"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(tree))
    (problem,) = verify(str(tmp_path)).problems
    assert "shard-00000.tar: bytes 0-" in problem
    assert "their checksum is not that of the manifest" in problem
