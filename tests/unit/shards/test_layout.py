"""Names of images and of their labels, without any file."""

from __future__ import annotations

import unicodedata

import pytest

from advent_dist.errors import DataError
from shards.layout import Found, Glob, LabelPattern, read_list


@pytest.mark.parametrize(
    ("pattern", "names", "paths"),
    [
        (
            "img/**/*.png",
            ["img/a.png", "img/b/c d.PNG", "img/b/e/f.1.png"],
            ["a", "b/c d", "b/e/f.1"],
        ),
        ("img/*.png", ["img/a.png"], ["a"]),
        ("**/*", ["a.jpg", "b/c.png"], ["a", "b/c"]),
        ("*/rgb/*.jp*g", ["x/rgb/1.jpg", "y/rgb/2.JPEG"], ["x/rgb/1", "y/rgb/2"]),
        ("l/**/*_left.png", ["l/u/1_left.png", "l/2_left.png"], ["u/1", "2"]),
        ("i/[ab]?.png", ["i/a1.png", "i/b2.png"], ["a1", "b2"]),
        ("i/[!c]1.png", ["i/a1.png"], ["a1"]),
    ],
)
def test_globs(pattern: str, names: list[str], paths: list[str]) -> None:
    others = ["img.png.txt", "other/x.png", ".hidden/a.png", "img/._a.png", "i/c1.png", "z/a/rgb/1"]
    others = [name for name in others if pattern != "**/*" or name.startswith(".")]
    found = Glob(pattern).matches([*others, *names])
    assert sorted(one.image for one in found) == sorted(names)
    assert sorted(one.path for one in found) == sorted(paths)


def label(pattern: str, image: Found, names: list[str]) -> str | None:
    return LabelPattern(pattern, names).label_of(image)


def test_label_patterns() -> None:
    image = Found("img/b/c.1.png", "b/c.1")
    names = ["gt/b/c.1_ids.PNG", "gt/b/c.1.tif", "gt/c.1.npy", "img/b/c.1.png", "img/b/c.1.bmp"]
    assert label("gt/{path}_ids.png", image, names) == "gt/b/c.1_ids.PNG"
    assert label("gt/{parent}/{name}.tif", image, names) == "gt/b/c.1.tif"
    assert label("gt/{path}.*", image, names) == "gt/b/c.1.tif"
    assert label("gt/{name}.npy", image, names) == "gt/c.1.npy"
    assert label("gt/{path}.png", image, names) is None
    assert label("img/{path}.*", image, names) == "img/b/c.1.bmp", "not the image itself"
    assert label("gt/{parent}/{name}.npy", Found("a.png", "c.1"), names) == "gt/c.1.npy"
    with pytest.raises(
        DataError, match=r"gt/1.png and gt/1.tif both fit --labels 'gt/\{path\}.\*'"
    ):
        label("gt/{path}.*", Found("1.png", "1"), ["gt/1.png", "gt/1.tif"])


def test_accents_may_be_written_in_either_way() -> None:
    composed, decomposed = (unicodedata.normalize(form, "straße ü") for form in ("NFC", "NFD"))
    assert composed != decomposed
    image = Found(f"{composed}.png", composed)
    assert label("gt/{path}.png", image, [f"gt/{decomposed}.png"]) == f"gt/{decomposed}.png"


@pytest.mark.parametrize(
    ("images", "name", "labels", "expected"),
    [
        ("rgb/rgb_*.png", "rgb/rgb_07.PNG", "ss/ss_{1}.png", "ss/ss_07.png"),
        ("rgb/*/*_rain_*.*", "rgb/a/b_1_rain_x.png", "gt/{1}/{2}.png", "gt/a/b_1.png"),
        ("**/l_?.png", "a/b/l_1.png", "{1}/gt/r_{2}.png", "a/b/gt/r_1.png"),
        ("**/l_?.png", "l_1.png", "{1}/gt/r_{2}.png", "gt/r_1.png"),
        ("[ab]/*.png", "b/c.png", "gt{1}/{name}.png", "gtb/c.png"),
    ],
)
def test_labels_by_what_wildcards_stand_for(
    images: str, name: str, labels: str, expected: str
) -> None:
    (found,) = Glob(images).matches([name])
    assert label(labels, found, [name, expected]) == expected


def test_more_wildcards_than_the_images_have_are_refused() -> None:
    (found,) = Glob("rgb/*.png").matches(["rgb/a.png"])
    with pytest.raises(DataError, match=r"--labels 'gt/\{2\}.png': \{2\}, but --images has 1 wild"):
        label("gt/{2}.png", found, [])


@pytest.mark.parametrize(
    "pattern", ["gt/{stem}.png", "gt/labels.png", "gt/{path", "{path.x}", "{}", "{0}.png"]
)
def test_label_patterns_that_can_not_be(pattern: str) -> None:
    with pytest.raises(DataError, match="--labels"):
        LabelPattern(pattern, [])


FOUND = [Found("img/a b.png", "a b"), Found("img/c,d.png", "c,d"), Found("img/e.png", "e")]


@pytest.mark.parametrize(
    ("line", "image", "named"),
    [
        ("img/a b.png", "img/a b.png", None),
        ("/img/e.png", "img/e.png", None),
        ("img/a b.png\tgt/a b.png", "img/a b.png", "gt/a b.png"),
        ("img/a b.png,gt/a b.png", "img/a b.png", "gt/a b.png"),
        ('"img/a b.png", "gt/a b.png"', "img/a b.png", "gt/a b.png"),
        ("img/e.png gt/e.png", "img/e.png", "gt/e.png"),
        ("img/c,d.png", "img/c,d.png", None),
        ("e", "img/e.png", None),
    ],
)
def test_lines_of_lists(line: str, image: str, named: str | None) -> None:
    text = f"\ufeff# images\r\n\r\n{line}\r\n".encode()
    ((found, label_name),) = read_list(text, "list.txt", FOUND)
    assert (found.image, label_name) == (image, named)


def test_lists_that_name_nothing() -> None:
    with pytest.raises(DataError, match=r"list.txt, line 2: 'img/x.png' names no image of SRC"):
        read_list(b"img/e.png\nimg/x.png\n", "list.txt", FOUND)
    with pytest.raises(DataError, match="it names no image; give one a line"):
        read_list(b"\n", "list.txt", FOUND)
    with pytest.raises(DataError, match="no text in UTF-8"):
        read_list(b"\xff\xfe", "list.txt", FOUND)
