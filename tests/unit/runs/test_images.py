from __future__ import annotations

from pathlib import Path

import pytest

from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from advent_dist.runs.images import find_images


def files(folder: Path, *names: str) -> str:
    """The folder, with files of these names."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return str(folder)


def test_images_of_all_folders_are_found_and_all_else_is_left_alone(tmp_path: Path) -> None:
    url = files(tmp_path, "b.JPG", "a/c.jpeg", "a/d/e.Tiff", "f.webp", "._b.JPG", "a/notes.txt")
    images = find_images(url, str(tmp_path.parent / "out"))
    assert list(images.stamps) == ["a/c.jpeg", "a/d/e.Tiff", "b.JPG", "f.webp"]
    assert images.left_alone == ["._b.JPG", "a/notes.txt"]


def test_one_file_is_taken_whatever_its_ending(tmp_path: Path, monkeypatch) -> None:
    url = files(tmp_path, "a.jpg", "scan")
    for name in ("a.jpg", "scan"):
        images = find_images(f"{url}/{name}", "out")
        assert (images.url, list(images.stamps)) == (url, [name])
    monkeypatch.chdir(tmp_path)
    assert open_folder(find_images("a.jpg", "out").url).list() == ["a.jpg", "scan"]


def test_earlier_results_are_no_images(tmp_path: Path, monkeypatch) -> None:
    url = files(tmp_path, "a.jpg", "out/a_color.png", "outside/b.jpg")
    monkeypatch.chdir(tmp_path)
    for images, out in ((url, f"{url}/out"), (".", "out"), (f"file://{url}", "./out/")):
        assert list(find_images(images, out).stamps) == ["a.jpg", "outside/b.jpg"]
    open_folder("memory://earlier").write("a.jpg", b"")
    open_folder("memory://earlier/out").write("a_color.png", b"")
    assert list(find_images("memory://earlier", "memory://earlier/out").stamps) == ["a.jpg"]


def test_a_link_to_a_folder_above_is_followed_once(tmp_path: Path) -> None:
    url = files(tmp_path / "images", "a.jpg")
    (tmp_path / "images" / "up").symlink_to(tmp_path / "images")
    (tmp_path / "images" / "more").symlink_to(files(tmp_path / "elsewhere", "b.jpg"))
    assert list(find_images(url, "out").stamps) == ["a.jpg", "more/b.jpg"]


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    url = files(tmp_path / "photographs", "left.png", "a/x.jpg")
    refused = [
        (f"{tmp_path}/missing", "out", r"--images \S+missing: there is no such file"),
        ("memory://missing", "out", r"--images memory://missing: there is no such file"),
        (url, f"{tmp_path}/./photographs/", "--out .* give another folder"),
        (f"{url}/left.png", url, "--out .* give another folder"),
        (files(tmp_path / "text", "a.txt"), "out", r"none of the 1 files there ends in \.jpg"),
    ]
    for images, out, message in refused:
        with pytest.raises(DataError, match=message):
            find_images(images, out)


@pytest.mark.parametrize("other", ["left.JPEG", "a/x.png"])
def test_images_that_differ_by_their_ending_are_refused(tmp_path: Path, other: str) -> None:
    url = files(tmp_path / "photographs", "left.png", "a/x.jpg", "a/left.png", other)
    name = other.partition(".")[0]
    with pytest.raises(DataError, match=f"several files are called {name} but for"):
        find_images(url, str(tmp_path / "out"))


def test_a_result_that_would_replace_an_image_is_refused(tmp_path: Path) -> None:
    url = files(tmp_path / "in", "in/x.jpg", "x_color.png")
    with pytest.raises(DataError, match=r"a result of in/x.jpg would replace .*in/x_color.png"):
        find_images(url, str(tmp_path))
