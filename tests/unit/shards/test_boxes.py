"""Data sets of boxes: what each format's files become, and what is refused."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import photograph, save
from PIL import Image

from advent_dist.data.box_arrays import BoxArrays
from advent_dist.data.box_file import decode_boxes
from advent_dist.data.class_sets import CITYSCAPES_BOXES_8
from advent_dist.data.manifest import Manifest
from advent_dist.data.members import samples_in
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from shards import command
from shards.boxes.cityscapes import CityscapesBoxes, boxes_of_instances
from shards.boxes.coco import Coco
from shards.boxes.voc import Voc
from shards.boxes.yolo import Yolo
from shards.dataset import Reader
from shards.options import BuildOptions
from shards.verify import verify
from shards.write import VoidLabelsError, build

SIZE = (40, 30)
REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "boxes"


@dataclass(frozen=True)
class Built:
    """What a build wrote."""

    manifest: Manifest
    boxes: dict[str, list[tuple[str, list[float], bool]]]
    """Key -> class, edges and mark of each box."""


def built(reader: Reader, where: Path, **options: Any) -> Built:
    options.setdefault("format", "png")
    manifest = build(reader, str(where), BuildOptions(shuffle=False, overwrite=True, **options))
    verdict = verify(str(where))
    assert verdict.problems == ()
    assert verdict.num_samples == manifest.num_samples
    names = manifest.boxes.class_names if manifest.boxes else ()
    found = {}
    for shard in manifest.shards:
        for key, files in samples_in((where / shard.name).read_bytes()):
            if manifest.boxes is not None:
                found[key] = shown(decode_boxes(files["boxes.json"], key), names)
    return Built(manifest, found)


def shown(boxes: BoxArrays, names: Sequence[str]) -> list[tuple[str, list[float], bool]]:
    told = zip(boxes.label.tolist(), boxes.xyxy.tolist(), boxes.ignore.tolist(), strict=True)
    return [(names[label], edges, ignore) for label, edges, ignore in told]


def coco_tree() -> dict[str, Any]:
    return {
        "info": {"year": 2026},
        "images": [
            {"id": 7, "file_name": "b.png", "width": 40, "height": 30, "licence": 1},
            {"id": 3, "file_name": "a.png", "width": 40, "height": 30},
            {"id": 9, "file_name": "empty.png", "width": 40, "height": 30},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 2, "bbox": [1.5, 2, 10, 20.25], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 40, 30], "iscrowd": 1},
            {"id": 3, "image_id": 3, "category_id": 5, "bbox": [30, 20, 20, 20]},
            {"id": 4, "image_id": 3, "category_id": 5, "bbox": [50, 20, 5, 5]},
            {"id": 5, "image_id": 3, "category_id": 2, "bbox": [5, 5, 0, 9]},
        ],
        "categories": [{"id": 5, "name": "car"}, {"id": 2, "name": "person"}],
    }


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    for number, name in enumerate(("a", "b", "empty")):
        save(tmp_path / "train" / f"{name}.png", photograph(number, SIZE))
    return write_coco(tmp_path, coco_tree())


def write_coco(root: Path, tree: Any) -> Path:
    (root / "boxes.json").write_text(json.dumps(tree))
    return root


def coco_of(root: Path, **options: Any) -> Coco:
    return Coco(str(root), annotations="boxes.json", images="train", **options)


def test_coco_by_hand(coco, tmp_path, capsys):
    result = built(coco_of(coco), tmp_path / "out")
    assert result.boxes == {
        "train_a": [("car", [30, 20, 40, 30], False)],
        "train_b": [
            ("person", [1.5, 2, 11.5, 22.25], False),
            ("car", [0, 0, 40, 30], True),
        ],
        "train_empty": [],
    }
    boxes = result.manifest.boxes
    assert boxes is not None
    assert (boxes.class_names, boxes.histogram, boxes.ignored) == (("car", "person"), (1, 1), 1)
    assert not result.manifest.labelled
    said = capsys.readouterr().err
    assert "3 images, 1 of them without a box; 3 boxes of 2 classes, of which 1 are ignored" in said
    assert "1 boxes reach out of their image, and are clipped" in said
    assert "2 boxes have no area in their image, and are left out" in said


def test_what_lies_in_a_bucket_is_read_as_on_a_disk(coco, tmp_path):
    bucket = open_folder("memory://boxes")
    for file in (path for path in coco.rglob("*") if path.is_file()):
        bucket.write(str(file.relative_to(coco)), file.read_bytes())
    there = Coco("memory://boxes", annotations="boxes.json", images="train")
    here = built(coco_of(coco), tmp_path / "here")
    assert built(there, tmp_path / "there").boxes == here.boxes


def test_boxes_are_resized_with_their_images(coco, tmp_path):
    result = built(coco_of(coco), tmp_path / "out", resize=(20, 60))
    assert result.boxes["train_b"][0] == ("person", [0.75, 4, 5.75, 44.5], False)


def test_unlabelled_images_have_no_boxes(coco, tmp_path):
    result = built(coco_of(coco), tmp_path / "out", unlabelled=True)
    assert result.manifest.boxes is None
    assert result.manifest.num_samples == 3


def test_coco_lists_of_images_alone_are_a_target(coco, tmp_path):
    """As the image_info files that it publishes for its test images."""
    write_coco(coco, without("annotations", "categories"))
    assert built(coco_of(coco), tmp_path / "out", unlabelled=True).manifest.num_samples == 3


@pytest.mark.parametrize("unlabelled", [False, True])
def test_no_images_at_all_are_refused(coco, voc, tmp_path, unlabelled):
    write_coco(coco, changed(images=[], annotations=[]))
    (voc / "ImageSets" / "Main" / "val.txt").write_text("\n")
    for reader in (coco_of(coco), Voc(str(voc), split="val")):
        with pytest.raises(DataError, match=r"no image is listed, so that there is nothing to"):
            built(reader, tmp_path / "out", unlabelled=unlabelled)
    assert not (tmp_path / "out").exists()


def test_a_class_file_chooses_classes_and_their_order(coco, tmp_path, capsys):
    classes = tmp_path / "classes.yaml"
    classes.write_text("name: mine\nclasses:\n  - {name: human, names: [person, rider]}\n")
    with pytest.raises(DataError, match=r"1 names .* no class of .*: 'car' \(3 boxes\); give"):
        built(coco_of(coco, classes_file=str(classes)), tmp_path / "out")
    reader = coco_of(coco, classes_file=str(classes), others="leave_out")
    capsys.readouterr()
    result = built(reader, tmp_path / "out")
    said = "3 boxes of 1 names that are in no class are left out: 'car' (3 boxes)"
    assert said in " ".join(capsys.readouterr().err.split())
    assert result.boxes["train_b"] == [("human", [1.5, 2, 11.5, 22.25], False)]
    assert result.manifest.boxes is not None
    assert result.manifest.boxes.classes == "mine"


def changed(**changes: Any) -> dict[str, Any]:
    """The tree with other values at `images__0__id` and so on."""
    tree = coco_tree()
    for path, value in changes.items():
        *inner, last = (int(part) if part.isdigit() else part for part in path.split("__"))
        place: Any = tree
        for part in inner:
            place = place[part]
        place[last] = value
    return tree


def without(*fields: str) -> dict[str, Any]:
    return {field: value for field, value in coco_tree().items() if field not in fields}


NO_BREAK = r"categories.0.name = 'traffic.xa0light': .* can't be printed; rename it"


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (changed(images__0__id=3), r"images have the id 3 twice"),
        (changed(images__0__file_name="a.png"), r"images have the file_name 'a.png' twice"),
        (changed(annotations__1__id=1), r"annotations have the id 1 twice"),
        (changed(categories__1__id=5), r"categories have the id 5 twice"),
        (changed(categories__1__name="car"), r"categories have the name 'car' twice"),
        (changed(annotations__2__category_id=8), r"annotations.2.category_id = 8 is no id"),
        (changed(annotations__2__image_id=8), r"annotations.2.image_id = 8 is no id of an image"),
        (changed(annotations__0__bbox=[1, 2, 3]), r"annotations.0.bbox: .* at least 4 items"),
        (changed(annotations__0__bbox=[1, 2, 3, "4"]), r"annotations.0.bbox.3: .* valid number"),
        (changed(annotations__0__bbox=[1, float("nan"), 3, 4]), r"person in .*nan.*; give finite"),
        (changed(annotations__0__bbox=[1, 2, float("inf"), 4]), r"person in .*inf.*; give finite"),
        (changed(annotations__0__iscrowd=2), r"annotations.0.iscrowd"),
        (changed(images__0__width=41), r"it says that train/b.png is 41x30, but it is 40x30"),
        (changed(images__0__width=0), r"images.0.width"),
        (changed(images__0__file_name="c.png"), r"1 of 3 images are missing: .*train/c.png"),
        (changed(images__0__file_name="../../etc/passwd"), r"images are missing"),
        (changed(categories=[]), r"category_id = 2 is no id"),
        (changed(images=None), r"images: Input should be a valid array"),
        (changed(categories__0__name="traffic\N{NO-BREAK SPACE}light"), NO_BREAK),
        (changed(categories__0__name="car\N{SOFT HYPHEN}"), r"0.name = 'car.xad': .*; rename it"),
        (changed(images=[], annotations=[]), r"no image is listed"),
        (without("annotations"), r"boxes.json: it has no annotations; give a .* --unlabelled"),
        (without("categories"), r"boxes.json: it has no categories; give a .* --unlabelled"),
        ([], r"the file: Input should be an object"),
    ],
)
def test_what_is_wrong_in_coco_is_one_message(coco, tmp_path, tree, said):
    write_coco(coco, tree)
    with pytest.raises(DataError, match=said) as caught:
        built(coco_of(coco), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_no_json_and_no_file_are_one_message(coco, tmp_path):
    with pytest.raises(DataError, match=r"instances_train2017.json: it is not there; name"):
        built(Coco(str(coco)), tmp_path / "out")
    (coco / "boxes.json").write_text("{")
    with pytest.raises(DataError, match=r"boxes.json: the file: Invalid JSON"):
        built(coco_of(coco), tmp_path / "out")


def test_images_of_which_none_has_a_box_are_refused(coco, tmp_path):
    write_coco(coco, changed(annotations=[]))
    with pytest.raises(VoidLabelsError, match=r"none of the 3 images has a box"):
        built(coco_of(coco), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tar"))


XML = """<?xml version="1.0"?>
<annotation>
  <filename>one.jpg</filename>
  <size><width>40</width><height>30</height><depth>3</depth></size>
  <object><name>dog</name><difficult>1</difficult>
    <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>30</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>3</xmin></bndbox></part></object>
  <object><name>cat</name>
    <bndbox><xmin>11</xmin><ymin>6.5</ymin><xmax>20</xmax><ymax>15</ymax></bndbox></object>
</annotation>
"""


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    for number, name in enumerate(("one", "two")):
        save(tmp_path / "JPEGImages" / f"{name}.png", photograph(number, SIZE))
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "one.xml").write_text(XML)
    (tmp_path / "Annotations" / "two.xml").write_text("<annotation/>")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("one\n")
    return tmp_path


def test_voc_by_hand(voc, tmp_path):
    """Pixels are counted from 1, and the last one is part of the box."""
    result = built(Voc(str(voc)), tmp_path / "out")
    assert result.boxes == {
        "JPEGImages_one": [
            ("dog", [0, 0, 40, 30], True),
            ("cat", [10, 5.5, 20, 15], False),
        ],
        "JPEGImages_two": [],
    }
    assert result.manifest.boxes is not None
    assert result.manifest.boxes.class_names == ("cat", "dog")


def test_annotations_of_voc_of_any_ending_and_hidden_ones(voc, tmp_path):
    annotations = voc / "Annotations"
    (annotations / "two.xml").rename(annotations / "two.XML")
    (annotations / "._one.xml").write_bytes(b"macOS")
    result = built(Voc(str(voc)), tmp_path / "out")
    assert list(result.boxes) == ["JPEGImages_one", "JPEGImages_two"]
    (annotations / "two.xml").write_text("<annotation/>")
    with pytest.raises(DataError, match=r"two\.XML and .*two\.xml have one name; remove one"):
        built(Voc(str(voc)), tmp_path / "again")


def test_a_list_chooses_images_of_voc(voc, tmp_path):
    assert list(built(Voc(str(voc), split="val"), tmp_path / "out").boxes) == ["JPEGImages_one"]
    with pytest.raises(DataError, match=r"Main/train.txt is missing, .* there are .*/val.txt"):
        built(Voc(str(voc), split="train"), tmp_path / "out")
    (voc / "ImageSets" / "Main" / "val.txt").write_text("one\nthree\n")
    with pytest.raises(DataError, match=r"there is no image JPEGImages/three.jpg; add it"):
        built(Voc(str(voc), split="val"), tmp_path / "out")


BOMB = """<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>
<annotation><object><name>&y;</name></object></annotation>"""
EXTERNAL = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, r"one.xml: it declares a document type"),
        (EXTERNAL, r"one.xml: it declares a document type"),
        (BOMB.encode("utf-16"), r"one.xml: it declares a document type"),
        ("<a>" * 300, r"one.xml: it is deeper than 100 levels"),
        ("", r"one.xml: it is no XML \(no element found"),
        ("<annotation>", r"one.xml: it is no XML"),
        (XML.replace("<xmin>11</xmin>", ""), r"object 1 \(cat\): it has no bndbox/xmin; add it"),
        (XML.replace("11", "x"), r"object 1 \(cat\): bndbox/xmin = 'x'; give a finite number"),
        (XML.replace("11", "nan"), r"object 1 \(cat\): bndbox/xmin = 'nan'; give a finite number"),
        (XML.replace("11", "1e999"), r"bndbox/xmin = '1e999'; give a finite number"),
        (XML.replace("<width>40", "<width>inf"), r"size/width = 'inf'; give a finite number"),
        (XML.replace("<name>cat</name>", ""), r"object 1 has the name ''; give it that of a class"),
        (XML.replace("<difficult>1", "<difficult>yes"), r"difficult = 'yes'; write 0 or 1"),
        (
            XML.replace("<width>40", "<width>30"),
            r"it says that .*one.png is 30x30, but it is 40x30",
        ),
    ],
)
def test_what_is_wrong_in_voc_is_one_message(voc, tmp_path, text, said):
    data = text if isinstance(text, bytes) else text.encode()
    (voc / "Annotations" / "one.xml").write_bytes(data)
    with pytest.raises(DataError, match=said) as caught:
        built(Voc(str(voc)), tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_an_image_of_voc_without_its_file_is_refused(voc, tmp_path):
    (voc / "Annotations" / "one.xml").unlink()
    with pytest.raises(
        DataError, match=r"Annotations/one.xml is missing, the boxes of JPEGImages/one"
    ):
        built(Voc(str(voc), split="val"), tmp_path / "out")


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    for number, name in enumerate(("one", "two")):
        save(tmp_path / "images" / "train" / f"{name}.png", photograph(number, SIZE))
    labels = tmp_path / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "one.txt").write_text("1 0.5 0.5 0.5 0.2\n\n0 0.1 0.9 0.2 0.4\n")
    (tmp_path / "data.yaml").write_text("path: /x\nnc: 2\nnames: [van, bike]\n")
    return tmp_path


def test_yolo_by_hand(yolo, tmp_path, capsys):
    """Shares of 40x30: centre (20, 15), 20 wide, 6 high; and one that reaches out below."""
    result = built(Yolo(str(yolo)), tmp_path / "out")
    assert result.boxes["images_train_one"] == [
        ("bike", [10, 12, 30, 18], False),
        ("van", [0, 21, 8, 30], False),
    ]
    assert result.boxes["images_train_two"] == []
    assert result.manifest.boxes is not None
    assert result.manifest.boxes.class_names == ("van", "bike")
    assert "1 boxes reach out of their image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "names: {1: bike, 0: van}"),
        ("classes.txt", "van\nbike\n"),
        ("my.names", "van\nbike\n"),
    ],
)
def test_names_of_yolo(yolo, tmp_path, name, text):
    (yolo / "data.yaml").unlink()
    (yolo / name).write_text(text)
    reader = Yolo(str(yolo), names_file=name if name == "my.names" else None)
    boxes = built(reader, tmp_path / "out").manifest.boxes
    assert boxes is not None
    assert boxes.class_names == ("van", "bike")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2 0.5 0.5 0.5 0.5", r"one.txt, line 1: class 2 has no name; there are \[0, 1\]"),
        ("0 0.5 0.5 0.5", r"line 1: it has 4 numbers, but a box has 5"),
        ("0 0.5 0.5 0.5 0.5 0.9", r"line 1: it has 6 numbers"),
        ("car 0.5 0.5 0.5 0.5", r"line 1: 'car 0.5 0.5 0.5 0.5' is no box"),
        ("0 0.5 0.5 x 0.5", r"line 1: .* is no box; give a class and four numbers"),
        ("0 320 200 40 50", r"line 1: .* is in pixels, but YOLO has shares"),
        ("0 nan 0.5 0.5 0.5", r"one.txt: a box of van in .*; give finite numbers"),
    ],
)
def test_what_is_wrong_in_yolo_is_one_message(yolo, tmp_path, line, said):
    (yolo / "labels" / "train" / "one.txt").write_text(line)
    with pytest.raises(DataError, match=said) as caught:
        built(Yolo(str(yolo)), tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_what_is_missing_in_yolo_is_one_message(yolo, tmp_path):
    for text, said in (
        ("names: 3", "no `names` of classes"),
        ("names: [a, a]", "two classes have one name"),
        ("names: {a: b}", "no `names` of classes"),
        ("names: [", "can't be read as YAML"),
        ("names: ['']", r"names.0 = ''; give a name"),
    ):
        (yolo / "data.yaml").write_text(text)
        with pytest.raises(DataError, match=said):
            built(Yolo(str(yolo)), tmp_path / "out")
    (yolo / "data.yaml").unlink()
    with pytest.raises(DataError, match=r"there is no data.yaml or .*; give .* by --names-file"):
        built(Yolo(str(yolo)), tmp_path / "out")
    save(yolo / "other" / "one.png", photograph(0, SIZE))
    with pytest.raises(DataError, match=r"no image has a file of boxes, as other/one.txt for"):
        built(Yolo(str(yolo), images="other/*"), tmp_path / "out")
    with pytest.raises(DataError, match=r"is an image that fits --images 'none/\*'"):
        built(Yolo(str(yolo), images="none/*"), tmp_path / "out")


def test_instances_by_hand():
    """Two cars, one of which is parted by a person; a group of bicycles in two places."""
    values = np.zeros((10, 20), np.uint16)
    values[2:5, 3:15] = 26001
    values[1:9, 8:10] = 24000
    values[6:8, 0:4] = 26000
    values[0, 17:20] = 33
    values[9, 19] = 33
    values[9, 0:3] = 7
    values[8, 0:3] = 29003  # a caravan
    ids = {24: 0, 26: 2, 33: 7}
    names = CITYSCAPES_BOXES_8.names
    assert sorted(shown(boxes_of_instances(values, ids), names)) == [
        ("bicycle", [17, 0, 20, 1], True),
        ("bicycle", [19, 9, 20, 10], True),
        ("car", [0, 6, 4, 8], False),
        ("car", [3, 2, 15, 5], False),
        ("person", [8, 1, 10, 9], False),
    ]


def cityscapes(root: Path) -> Path:
    for city, number in (("aachen", 1), ("ulm", 2)):
        stem = f"{city}_00000{number}_000019"
        for top, end in (("leftImg8bit", ""), ("leftImg8bit_foggy", "_foggy_beta_0.02")):
            image = root / top / "train" / city / f"{stem}_leftImg8bit{end}.png"
            save(image, photograph(number, SIZE))
        values = np.full((30, 40), 7, np.uint16)
        values[5:10, 10 * number : 20 * number] = 26000
        values[20:, :5] = 24
        path = root / "gtFine" / "train" / city / f"{stem}_gtFine_instanceIds.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(values).save(path)
    return root


@pytest.mark.parametrize("beta", [None, "0.02"])
def test_cityscapes_clear_and_in_fog(tmp_path, beta):
    reader = CityscapesBoxes(str(cityscapes(tmp_path)), beta=beta)
    result = built(reader, tmp_path / "out")
    assert [sorted(boxes) for boxes in result.boxes.values()] == [
        [("car", [10, 5, 20, 10], False), ("person", [0, 20, 5, 30], True)],
        [("car", [20, 5, 40, 10], False), ("person", [0, 20, 5, 30], True)],
    ]
    assert result.manifest.classes_of("boxes") == CITYSCAPES_BOXES_8
    assert result.manifest.num_samples == 2
    unlabelled = built(reader, tmp_path / "more", unlabelled=True)
    assert unlabelled.manifest.boxes is None


def test_an_edit_of_the_class_file_changes_what_cityscapes_items_are(tmp_path):
    """Or a build that goes on would mix two orders of train ids."""
    classes = tmp_path / "classes.yaml"
    car, person = "{name: car, ids: [26]}", "{name: person, ids: [24]}"
    reader = CityscapesBoxes(str(cityscapes(tmp_path)), classes_file=str(classes))
    classes.write_text(f"name: mine\nclasses: [{car}, {person}]\n")
    before = [item.stamp for item in reader.items(True)]
    assert [item.stamp for item in reader.items(True)] == before
    classes.write_text(f"name: mine\nclasses: [{person}, {car}]\n")
    after = [item.stamp for item in reader.items(True)]
    assert not {*before} & {*after}


def test_what_is_missing_of_cityscapes_is_named(tmp_path):
    root = cityscapes(tmp_path)
    with pytest.raises(DataError, match=r"no image is leftImg8bit/val/.*; expected layout"):
        built(CityscapesBoxes(str(root), split="val"), tmp_path / "out")
    ids = next((root / "gtFine" / "train" / "ulm").iterdir())
    save(ids, np.zeros((30, 41), np.uint8))
    with pytest.raises(DataError, match=r"instanceIds.png: it is 41x30, but its image is 40x30"):
        built(CityscapesBoxes(str(root)), tmp_path / "out")
    ids.unlink()
    with pytest.raises(DataError, match=r"1 of 2 images have no gtFine_instanceIds.png: .*ulm"):
        built(CityscapesBoxes(str(root)), tmp_path / "out")


def test_build_info_verify_and_show_tell_of_boxes(coco, tmp_path, capsys):
    out = str(tmp_path / "out")
    options = ["--annotations", "boxes.json", "--images", "train"]

    def run(*arguments: str) -> str:
        assert command.main(list(arguments), on_ray=None) == 0  # type: ignore[arg-type]
        return capsys.readouterr().out

    assert "3 samples" in run("build", "coco", str(coco), out, *options)
    told = run("info", out)
    assert "2 of coco, and 1 ignored" in " ".join(told.split())
    assert "person" in told
    assert json.loads(run("info", out, "--json"))["boxes"]["histogram"] == [1, 1]
    assert "all well" in run("verify", out)
    run("show", out, "--out", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert "<h2>Boxes</h2>" in page
    assert "Share of labelled pixels" not in page


def test_verify_finds_counts_that_are_wrong_and_boxes_that_do_not_belong(coco, tmp_path):
    out = tmp_path / "out"
    built(coco_of(coco), out)
    path = out / "manifest.json"
    raw = json.loads(path.read_text())
    raw["boxes"]["histogram"] = [1, 2]
    path.write_text(json.dumps(raw))
    assert [one.split(": ", 1)[1] for one in verify(str(out)).problems] == [
        "the manifest's counts of boxes are not those of the boxes"
    ]
    raw["boxes"] |= {"classes": "cityscapes_boxes8", "histogram": [1, 1]}
    path.write_text(json.dumps(raw))
    (problem,) = verify(str(out)).problems
    assert "class_names are not those of cityscapes_boxes8" in problem
    del raw["boxes"]
    path.write_text(json.dumps(raw))
    problems = verify(str(out)).problems
    assert len(problems) == 3
    assert "it has boxes.json, but the manifest says that there are none" in problems[0]


def test_an_interrupted_build_counts_the_boxes_of_what_was_finished(coco, tmp_path):
    """And ends with the bytes of an uninterrupted one."""
    options = BuildOptions(shuffle=False, format="png", shard_mb=0.001)
    whole = build(coco_of(coco), str(tmp_path / "whole"), options)
    assert len(whole.shards) > 1

    class KilledError(Exception):
        pass

    def one_alone(encoder: Any, items: Any) -> Any:
        yield encoder.encode(items[0])
        raise KilledError

    with pytest.raises(KilledError):
        build(coco_of(coco), str(tmp_path / "parted"), options, one_alone)
    assert build(coco_of(coco), str(tmp_path / "parted"), options) == whole


@pytest.mark.skipif(not REAL.is_dir(), reason="the recordings are not there")
def test_recorded_streets(tmp_path):
    """As COCO: each box of the table arrives, in pixels of its image."""
    rows = list(csv.DictReader((REAL / "boxes_fog.csv").open()))
    names = ["person", "car", "truck", "motorbike", "bike"]
    images = sorted({row["image"] for row in rows})[:60]
    chosen = [row for row in rows if row["image"] in images and row["class"]]
    sides = {row["image"]: (int(row["width"]), int(row["height"])) for row in rows}
    edges = [[float(row[edge]) for edge in ("x1", "y1", "x2", "y2")] for row in chosen]
    tree = {
        "images": [
            {"id": number, "file_name": name, "width": sides[name][0], "height": sides[name][1]}
            for number, name in enumerate(images)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": images.index(row["image"]),
                "category_id": names.index(row["class"]),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
            }
            for number, (row, (x1, y1, x2, y2)) in enumerate(zip(chosen, edges, strict=True))
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }
    write_coco(tmp_path, tree)
    (tmp_path / "train").symlink_to(REAL / "images")
    result = built(coco_of(tmp_path), tmp_path / "out", format="jpg")
    found = Counter(name for boxes in result.boxes.values() for name, _, _ in boxes)
    assert found == Counter(row["class"] for row in chosen)
    written = sorted(edges for boxes in result.boxes.values() for _, edges, _ in boxes)
    assert np.allclose(written, sorted(edges), atol=1e-3)
