"""Folders of any layout, and what of them is refused before anything is written."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from advent_dist.commands.shards import main
from advent_dist.data.store import open_folder, read_manifest
from advent_dist.errors import DataError
from shards.folder import ImageFolder
from shards.verify import verify
from tests.unit.shards import layouts

COLOURS = ((128, 64, 128), (0, 0, 142), (70, 130, 180), (0, 0, 0))
CLASSES = """\
name: three
ignore_colours: [[0, 0, 0]]
classes:
  - {name: road, colour: [128, 64, 128]}
  - {name: car, colour: [0, 0, 142]}
  - {name: sky, colour: [70, 130, 180]}
subsets: {things: [car]}
"""
IDS = "name: ids\nignore: [0]\nclasses: [{name: a, ids: [1]}, {name: b, ids: [2, 3]}]\n"
NAMES = ("Town 1/day/frame.1", "Town 1/day/frame.2", "straße/ü, (2)", "f")


def coloured(root: Path, names: tuple[str, ...] = NAMES) -> Path:
    """Photographs with colour-coded labels under odd names."""
    for number, name in enumerate(names):
        layouts.save(root / "img" / f"{name}.PNG", layouts.photograph(number))
        label = np.array(COLOURS, np.uint8)[layouts.ids([0, 1, 2, 3]) % 4]
        layouts.save(root / "gt" / f"{name}_color.png", label)
    (root / "classes.yaml").write_text(CLASSES)
    return root


def reader(root: Path, **changes: Any) -> ImageFolder:
    options: dict[str, Any] = {
        "images": "img/**/*.png",
        "labels": "gt/{path}_color.png",
        "classes_file": str(root / "classes.yaml"),
    }
    return ImageFolder(str(root), **{**options, **changes})


def look(chosen: ImageFolder) -> None:
    chosen.look_first(chosen.items(True), True, None, 1)


def test_a_folder_becomes_shards_that_describe_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = coloured(tmp_path / "a b"), str(tmp_path / "out")
    command = ["build", "folder", str(root), out, "--images", "img/**/*.png"]
    command += ["--labels", "gt/{path}_color.png", "--classes", str(root / "classes.yaml")]
    assert main([*command, "--format", "png"]) == 0
    said = capsys.readouterr().err
    assert "4 images, each with its label" in said
    assert "labels hold 4 colours; 25.00 % of the pixels are ignored" in said
    manifest = read_manifest(out)
    assert manifest.class_set == reader(root).classes
    assert manifest.class_set is not None
    assert manifest.class_set.subsets == {"things": (1,)}
    assert manifest.class_histogram == (96, 96, 96)
    assert str(tmp_path) not in manifest.dataset
    assert verify(out).problems == ()


def test_odd_names_are_keys_without_a_dot(tmp_path: Path) -> None:
    items = reader(coloured(tmp_path)).items(True)
    keys = {unicodedata.normalize("NFC", item.key) for item in items}
    assert keys == {"Town 1_day_frame_1", "Town 1_day_frame_2", "straße_ü, (2)", "f"}
    image, label = next(item for item in items if item.key == "f").load(True)
    np.testing.assert_array_equal(image, layouts.photograph(3))
    np.testing.assert_array_equal(label, layouts.ids([0, 1, 2, 255]))


def test_links_are_followed(tmp_path: Path) -> None:
    coloured(tmp_path / "real")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "img").symlink_to(tmp_path / "real" / "img")
    (tmp_path / "linked" / "gt").symlink_to(tmp_path / "real" / "gt")
    (tmp_path / "real" / "img" / "again").symlink_to(tmp_path / "real" / "img")
    (tmp_path / "linked" / "classes.yaml").write_text(CLASSES)
    assert len(reader(tmp_path / "linked").items(True)) == len(NAMES)


def test_images_and_labels_in_object_storage(tmp_path: Path) -> None:
    root = coloured(tmp_path)
    bucket = open_folder("memory://bucket/own")
    for path in (path for path in root.rglob("*") if path.is_file()):
        bucket.write(path.relative_to(root).as_posix(), path.read_bytes())
    there, here = reader(root), reader(root)
    there = ImageFolder("memory://bucket/own", there.images, there.labels, there.classes_file)
    look(there)
    for one, other in zip(there.items(True), here.items(True), strict=True):
        assert one.key == other.key
        for left, right in zip(one.load(True), other.load(True), strict=True):
            np.testing.assert_array_equal(left, right)
    assert all(len(item.stamp) == 5 for item in there.items(True))


def test_lists_choose_images_and_labels(tmp_path: Path) -> None:
    root, listed = coloured(tmp_path), tmp_path / "list.csv"
    listed.write_text("img/f.PNG,gt/straße/ü, (2)_color.png\n")
    listed.write_text("img/f.PNG\tgt/straße/ü, (2)_color.png\n")
    (item,) = reader(root, listed=str(listed)).items(True)
    assert (item.image, item.label) == ("img/f.PNG", "gt/straße/ü, (2)_color.png")
    listed.write_text("Town 1/day/frame.2\nf\n")
    images = [item.image for item in reader(root, listed=str(listed)).items(True)]
    assert images == ["img/Town 1/day/frame.2.PNG", "img/f.PNG"]
    listed.write_text("f\nf\n")
    with pytest.raises(DataError, match=r"both get the key f; rename one, or leave one out"):
        reader(root, listed=str(listed)).items(True)
    listed.write_text("img/f.PNG\tgt/none.png\n")
    with pytest.raises(DataError, match=r"list.csv: gt/none.png, the label of img/f.PNG, is not"):
        reader(root, listed=str(listed)).items(True)


def test_photographs_alone_need_no_classes(tmp_path: Path) -> None:
    root, out = coloured(tmp_path / "in"), str(tmp_path / "out")
    command = ["build", "folder", f"{root}/img", out, "--unlabelled"]
    assert main(command) == 0
    manifest = read_manifest(out)
    assert (manifest.num_samples, manifest.labelled, manifest.class_set) == (4, False, None)
    assert verify(out).problems == ()
    assert main(["info", out]) == 0
    assert main(["show", out, "--out", str(tmp_path / "page.html")]) == 0


def test_labels_beside_their_images_are_no_images(tmp_path: Path) -> None:
    for number in range(2):
        layouts.save(tmp_path / f"{number}.png", layouts.photograph(number))
        layouts.save(tmp_path / f"{number}_gt.png", layouts.ids([1, 2, 0]))
    (tmp_path / "classes.yaml").write_text(IDS)
    items = reader(tmp_path, images="*.png", labels="{path}_gt.png").items(True)
    assert [item.image for item in items] == ["0.png", "1.png"]


def test_what_is_left_alone_is_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = coloured(tmp_path)
    for name in ("img/Town 1/c.gif", "img/d.heic", "img/._f.png", "elsewhere.txt"):
        (root / name).write_bytes(b"")
    layouts.save(root / "gt" / "spare_color.png", layouts.ids([1]))
    layouts.save(root / "gt" / "f_other.png", layouts.ids([1]))
    assert len(reader(root).items(True)) == len(NAMES)
    said = "left alone: 2 files (img/Town 1/c.gif, img/d.heic) and 1 labels without an image (gt/"
    assert said in capsys.readouterr().err
    assert len(reader(root, images="img/*.png").items(True)) == 1
    assert "left alone: " in capsys.readouterr().err


def test_kinds_of_images(tmp_path: Path) -> None:
    grey = layouts.photograph(0)[..., 0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey).convert("LA").save(tmp_path / "la.png")
    Image.fromarray(layouts.photograph(1)).convert("RGBA").save(tmp_path / "rgba.png")
    Image.fromarray(layouts.photograph(1)).convert("CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(grey).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(grey.astype(np.uint16) * 16).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png: it has the mode I"):
        ImageFolder(str(tmp_path), "deep*").items(False)[0].load(False)
    items = ImageFolder(str(tmp_path), range=(0, 4080)).items(False)
    loaded = {item.key: item.load(False)[0] for item in items}
    np.testing.assert_array_equal(loaded["grey"], np.stack([grey] * 3, -1))
    np.testing.assert_array_equal(loaded["la"], loaded["grey"])
    np.testing.assert_array_equal(loaded["deep"], loaded["grey"])
    np.testing.assert_array_equal(loaded["turned"], np.rot90(loaded["grey"], -1))
    np.testing.assert_array_equal(loaded["rgba"], layouts.photograph(1))
    assert loaded["cmyk"].shape == (8, 12, 3)
    with pytest.raises(DataError, match="--range 5 5: give black, then white"):
        ImageFolder(str(tmp_path), range=(5, 5))


def turned(root: Path) -> None:
    """An image that is turned, with a label that is not."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(layouts.photograph(0)).save(root / "img/f.PNG", exif=exif)


@pytest.mark.parametrize(
    ("spoil", "options", "said"),
    [
        (
            lambda root: (root / "gt/f_color.png").unlink(),
            {},
            r"1 of 4 images have no label by --labels .*: 1 files \(img/f\.PNG\)",
        ),
        (lambda root: None, {"images": "img/*.webp"}, "none of its .* files is an image that fits"),
        (lambda root: None, {"labels": None}, "give --labels or a --list of two columns"),
        (lambda root: None, {"classes_file": None}, "--classes: give the class file"),
        (lambda root: (root / "classes.yaml").unlink(), {}, r"classes\.yaml"),
        (
            lambda root: (root / "classes.yaml").write_text(CLASSES.replace("70, 130", "70, 131")),
            {},
            r"1 colours that are in no class of .*: \[70, 130, 180\] \(96 pixels in 4 files, first",
        ),
        (
            lambda root: layouts.save(root / "img/Town 1/day_frame.1.png", layouts.photograph(0)),
            {"labels": "gt/f_{name}.*", "images": "img/**/*"},
            "have no label",
        ),
        (turned, {}, r"f\.PNG: its label is 12x8, but the image is 8x12 .* another shape"),
        (
            lambda root: layouts.save(root / "gt/f_color.png", layouts.photograph(0, (24, 16))),
            {},
            r"f\.PNG: its label is 24x16, .* build with --resize",
        ),
        (
            lambda root: (root / "gt/f_color.png").write_bytes(b"half"),
            {},
            r"gt/f_color\.png: it can't be read as PNG",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    tmp_path: Path, spoil: Callable[[Path], object], options: dict[str, Any], said: str
) -> None:
    root = coloured(tmp_path)
    spoil(root)
    with pytest.raises(DataError, match=said):
        look(reader(root, **options))


def test_two_images_of_one_key_are_refused(tmp_path: Path) -> None:
    root = coloured(tmp_path, ("a/b", "a_b"))
    with pytest.raises(DataError, match=r"img/a_b\.PNG and .*img/a/b\.PNG both get the key a_b"):
        reader(root).items(True)


def test_nothing_is_written_where_labels_are_wrong(tmp_path: Path) -> None:
    root, out = coloured(tmp_path / "in"), tmp_path / "out"
    (root / "classes.yaml").write_text(CLASSES.replace("[128, 64, 128]", "[1, 1, 1]"))
    command = ["build", "folder", str(root), str(out), "--images", "img/**/*.png"]
    command += ["--labels", "gt/{path}_color.png", "--classes", str(root / "classes.yaml")]
    with pytest.raises(DataError, match="in no class"):
        main(command)
    assert not out.exists()


def test_another_class_file_makes_another_build(tmp_path: Path) -> None:
    root = coloured(tmp_path)
    before = reader(root).items(True)[0].stamp
    (root / "classes.yaml").write_text(
        CLASSES.replace("name: car", "name: van").replace("[car]", "[van]")
    )
    assert reader(root).items(True)[0].stamp != before


def test_classes_are_looked_for_in_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = coloured(tmp_path), tmp_path / "found.yaml"
    assert main(["classes", str(root / "gt"), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "4 colours in 4 labels" in shown
    assert "25.000 %" in shown
    look(reader(root, classes_file=str(out)))
    with pytest.raises(DataError, match="it is there already"):
        main(["classes", str(root / "gt"), "--out", str(out)])
    with pytest.raises(DataError, match=r"no label .* fits --glob 'x/\*'"):
        main(["classes", str(root / "gt"), "--glob", "x/*"])


def test_ids_are_looked_for_in_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layouts.save(tmp_path / "gt/0.png", layouts.ids([1, 2, 255]))
    layouts.save(tmp_path / "gt/1.png", layouts.ids([1]))
    layouts.save(tmp_path / "0.png", layouts.photograph(0))
    out = tmp_path / "classes.yaml"
    assert main(["classes", str(tmp_path / "gt"), "--out", str(out)]) == 0
    assert "3 ids in 2 labels" in capsys.readouterr().out
    assert "class 1, ids: [2]}  # 16.667 % of the pixels, in 1 files" in out.read_text()
    look(reader(tmp_path, images="0.png", labels="gt/{path}.png"))


def test_one_class_alone_is_none_of_label_maps(tmp_path):
    """Boxes may be of one; of pixels there is always another."""
    (tmp_path / "one.yaml").write_text("name: one\nclasses: [{name: car, ids: [1]}]\n")
    reader = ImageFolder(str(tmp_path), classes_file=str(tmp_path / "one.yaml"))
    with pytest.raises(DataError, match="at least 2 classes; name more; what is no object may be"):
        _ = reader.classes
