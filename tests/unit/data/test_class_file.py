"""Class files: what they mean, and each mistake as one message."""

from __future__ import annotations

import json

import numpy as np
import pytest

from advent_dist.data.class_file import class_file_text, parse_class_file
from advent_dist.data.class_sets import NAMES, built_in, class_set
from advent_dist.data.classes import ClassSet, first_difference
from advent_dist.data.label_map import colour_code
from advent_dist.errors import DataError

TWO = """\
name: two
ignore: [0]
classes:
  - {name: road, colour: [128, 64, 128], ids: [7, 8]}
  - {name: car, ids: [26, 300]}
subsets:
  things: [car]
"""

COLOURS = """\
name: colours
ignore_colours: [[0, 0, 0]]
classes:
  - {name: road, colour: [128, 64, 128]}
  - {name: car, colour: [0, 0, 142]}
"""


def test_ids_become_train_ids_by_order() -> None:
    file = parse_class_file(TWO, "c.yaml")
    assert file.classes.names == ("road", "car")
    assert file.classes.subsets == {"things": (1,)}
    assert file.label_map is not None
    ids = np.array([[7, 8, 26], [300, 0, 255]], np.uint16)
    assert file.label_map.apply(ids, "l.png").tolist() == [[0, 0, 1], [1, 255, 255]]
    with pytest.raises(DataError, match=r"l\.png: it holds the value 9, 10, but .* 0, 7\.\.8, 26"):
        file.label_map.apply(np.array([[9, 10, 7]], np.uint8), "l.png")


def test_colours_are_what_labels_hold_where_nothing_else_is_said() -> None:
    label_map = parse_class_file(COLOURS, "c.yaml").label_map
    assert label_map is not None
    pixels = np.array([[[0, 0, 142], [128, 64, 128], [0, 0, 0]]], np.uint8)
    assert label_map.apply(colour_code(pixels), "l.png").tolist() == [[1, 0, 255]]
    with pytest.raises(DataError, match=r"l\.png: it holds the colour \[0, 0, 1\], which is nei"):
        label_map.apply(colour_code(np.array([[[0, 0, 1]]], np.uint8)), "l.png")


def test_colours_for_pictures_differ_where_they_are_left_out() -> None:
    tree = {"name": "many", "classes": [{"name": f"c{i}", "ids": [i]} for i in range(254)]}
    tree["classes"][9]["colour"] = [128, 0, 0]
    first, again = (parse_class_file(json.dumps(tree), "c.json").classes for _ in range(2))
    assert first == again
    assert len(set(first.palette)) == 254
    assert first.palette[0] == (0, 128, 0), "the first of the made-up ones is taken"
    assert first.palette[9] == (128, 0, 0)
    assert (0, 0, 0) not in first.palette, "which is what reports paint ignored pixels"


def test_json_is_read_alike_and_a_class_set_comes_back() -> None:
    classes = parse_class_file(TWO, "c.yaml").classes
    file = parse_class_file(class_file_text(classes), "run/classes.json")
    assert file.classes == classes


@pytest.mark.parametrize("name", NAMES)
def test_built_in_sets_are_class_files_with_ids(name: str) -> None:
    file = built_in(name)
    assert file.classes.name == name
    assert file.label_map is not None
    assert set(file.label_map.train_ids.values()) == {*range(file.classes.num_classes), 255}


def test_the_first_difference() -> None:
    nineteen, sixteen = class_set("cityscapes19"), class_set("cityscapes16")
    assert first_difference(nineteen, nineteen) is None
    said = first_difference(nineteen, sixteen)
    assert said == "class 9 is 'terrain' there and 'sky' here"
    less = ClassSet(name="18", names=nineteen.names[:-1], palette=nineteen.palette[:-1])
    assert first_difference(nineteen, less) == "there are 19 classes there and 18 here"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ids: [7, 8]", "id: [7, 8]", r"no field classes\.0\.id; did you mean ids\?"),
        ("subsets:", "subset:", r"no field subset; did you mean subsets\?"),
        ("name: two", "name: no", r"name = False: .* quote it"),
        ("name: two\n", "", "name is missing"),
        ("[128, 64, 128]", "[128, 64, 256]", r"classes\.0\.colour\.2 = 256: .* 255"),
        ("[128, 64, 128]", "[128, 64]", r"classes\.0\.colour"),
        ("ids: [7, 8]", "ids: [7, 70000]", r"classes\.0\.ids\.1 = 70000"),
        ("ids: [7, 8]", "ids: [true]", r"classes\.0\.ids\.0 = True"),
        ("ids: [7, 8]", "ids: 7", r"classes\.0\.ids = 7"),
        ("ids: [26, 300]", "ids: [8]", r"the id 8 of classes\.1 \(car\) is that of road, too"),
        ("ids: [26, 300]", "ids: [0]", r"the id 0 of classes\.1 \(car\) is ignored, too"),
        (
            "ids: [26, 300]",
            "colour: [128, 64, 128], ids: [1]",
            r"classes\.1\.colour = .* of classes\.0\.colour, t",
        ),
        ("ids: [26, 300]", "colours: [[1, 2, 3]]", "both ids and colours"),
        (", ids: [26, 300]", "", r"classes\.1 \(car\) has no ids, but other classes have"),
        ("name: car", "name: road", r"classes\.1\.name = 'road' is that of classes\.0\.name"),
        ("things: [car]", "things: [cat]", r"subsets\.things: .* 'cat'; did you mean 'car'"),
        ("things: [car]", "things: []", r"subsets\.things"),
        ("name: car", "names: [road], name: car", r"classes\.1\.names = 'road' is that of"),
        ("ignore: [0]", "ignore: [0]\nignore: [1]", "'ignore' stands twice"),
        ("ignore: [0]", "ignore: [0", "no class file in YAML or JSON"),
        ("name: two", 'name: "t\\xa0o"', r"name = 't.xa0o': .* can't be printed; rename it"),
        ("name: car", 'name: "c\\xad"', r"classes\.1\.name = 'c.xad': .* can't be printed"),
        ("name: car", 'names: ["\\x85"], name: car', r"classes\.1\.names\.0 = '.x85': "),
        (TWO, "", "the file = None"),
        (TWO, "[" * 5000, "c.yaml"),
    ],
)
def test_mistakes_are_named(old: str, new: str, said: str) -> None:
    assert old in TWO
    with pytest.raises(DataError, match=said) as raised:
        parse_class_file(TWO.replace(old, new), "c.yaml")
    assert str(raised.value).startswith("c.yaml: ")
    assert "\n" not in str(raised.value)


def test_one_colour_for_two_classes_is_refused() -> None:
    text = COLOURS.replace("[0, 0, 142]", "[1, 1, 1], colours: [[128, 64, 128]]").replace(
        "128]}", "128], colours: [[128, 64, 128]]}", 1
    )
    with pytest.raises(
        DataError, match=r"the colour \[128, 64, 128\] of classes\.1 \(car\) is that"
    ):
        parse_class_file(text, "c.yaml")


def test_more_classes_than_fit_are_refused() -> None:
    tree = {"name": "many", "classes": [{"name": f"c{i}", "ids": [i]} for i in range(255)]}
    with pytest.raises(DataError, match="at most 254 classes fit into a label"):
        parse_class_file(json.dumps(tree), "c.json")


def test_files_of_boxes_call_a_class_by_its_name_or_its_names() -> None:
    car, person = "{name: car, names: [van, car]}", "{name: person, names: [rider]}"
    text = f"name: b\nclasses: [{car}, {person}]\n"
    file = parse_class_file(text, "c.yaml")
    assert file.box_names == {"car": 0, "van": 0, "person": 1, "rider": 1}
    with pytest.raises(
        DataError, match=r"classes\.1\.name = 'person' is that of classes\.0\.names"
    ):
        parse_class_file(text.replace("van", "person"), "c.yaml")


def test_boxes_may_be_of_one_class() -> None:
    file = parse_class_file("name: one\nclasses: [{name: car}]\n", "c.yaml")
    assert file.classes.names == ("car",)
    assert parse_class_file(class_file_text(file.classes), "c.json").classes == file.classes
    with pytest.raises(DataError, match=r"classes = \[\]: .* at least 1 item"):
        parse_class_file("name: none\nclasses: []\n", "c.yaml")
