"""Which files are read, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from advent_dist.errors import DataError
from shards.files import find_images, find_labels


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_endings_count_without_regard_to_case(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "train", "b.JPG", "a.jpeg", "c.Png", "d.webp", "e.TIF", "f.tiff", "g.bmp")
    found = [path.name for path in find_images(tmp_path, "train", "layout")]
    assert found == ["a.jpeg", "b.JPG", "c.Png", "d.webp", "e.TIF", "f.tiff", "g.bmp"]
    assert caplog.text == ""


def test_what_is_left_alone_is_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "train", "a.png", "b.gif", "Thumbs.db", "list.txt", "z.heic")
    touch(tmp_path / "train" / "sub.png", "b.png")
    assert [path.name for path in find_images(tmp_path, "train", "layout")] == ["a.png"]
    said = "train: left alone: 4 files (Thumbs.db, b.gif, list.txt, ...) and 1 folder (sub.png)"
    assert said in caplog.text


def test_hidden_files_are_left_alone_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path / "train", "a.png", "._a.png", ".DS_Store", ".b.png")
    assert [path.name for path in find_images(tmp_path, "train", "layout")] == ["a.png"]
    assert caplog.text == ""


def test_a_link_to_nowhere_is_still_an_image(tmp_path: Path) -> None:
    touch(tmp_path / "train")
    (tmp_path / "train" / "a.png").symlink_to("/nowhere/a.png")
    assert [path.name for path in find_images(tmp_path, "train", "layout")] == ["a.png"]


def test_images_in_folders_of_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path / "train", "stray_left.png")
    touch(tmp_path / "train" / "ulm", "2_left.png", "2_right.png")
    touch(tmp_path / "train" / "bonn", "1_left.JPG")
    touch(tmp_path / "train" / "bonn" / "deep", "3_left.png")
    found = find_images(tmp_path, "train", "layout", name_end="_left", in_folders=True)
    assert [path.relative_to(tmp_path / "train").as_posix() for path in found] == [
        "bonn/1_left.JPG",
        "ulm/2_left.png",
    ]
    assert "left alone: 2 files (stray_left.png, ulm/2_right.png) and 1 folder (bonn/deep)" in (
        caplog.text
    )


def test_nothing_to_read_shows_the_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train does not exist; expected layout .*\nthe layout"):
        find_images(tmp_path, "train", "the layout")
    touch(tmp_path / "train", "a.gif")
    with pytest.raises(DataError, match=r"train holds none of \*\.jpg, .*\nthe layout"):
        find_images(tmp_path, "train", "the layout")


def test_labels_of_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a_ids.png", "b_ids.PNG", "spare_ids.png", "a_color.png", "a_ids.json")
    found = find_labels(["a", "b", "missing"], tmp_path, name_end="_ids")
    assert {key: path.name for key, path in found.items()} == {
        "a": "a_ids.png",
        "b": "b_ids.PNG",
        "missing": "missing_ids.png",
    }
    assert "left alone, without an image: 1 label (spare_ids.png)" in caplog.text


def test_no_label_is_looked_for_without_need(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "spare.png")
    assert find_labels(["a"], tmp_path, labelled=False) == {"a": tmp_path / "a.png"}
    assert caplog.text == ""
