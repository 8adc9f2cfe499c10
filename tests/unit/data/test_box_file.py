"""The file of a sample's boxes: written and read, damaged, and not fitting its image."""

from __future__ import annotations

import json

import numpy as np
import pytest

from advent_dist.data.box_arrays import BoxArrays, box_arrays
from advent_dist.data.box_file import (
    MAX_BOXES,
    MAX_BYTES,
    check_boxes,
    count_boxes,
    decode_boxes,
    encode_boxes,
)
from advent_dist.data.class_sets import CITYSCAPES_BOXES_8
from advent_dist.errors import DamageError, DataError

SIZE = (64, 48)


def boxes(*edges: tuple[float, ...], label: int = 2) -> BoxArrays:
    return box_arrays(edges, [label] * len(edges), [False] * len(edges))


def some(count: int) -> BoxArrays:
    rng = np.random.default_rng(count)
    corners = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1).reshape(count, 4)
    return box_arrays(corners * (SIZE * 2), rng.integers(0, 8, count), rng.random(count) < 0.5)


@pytest.mark.parametrize("count", [0, 1, 7, 300])
def test_what_is_written_is_read_to_the_bit(count):
    written = some(count)
    read = decode_boxes(memoryview(encode_boxes(written)), "s")
    assert [array.dtype for array in read] == [np.float32, np.int64, np.bool_]
    assert read.xyxy.shape == (count, 4)
    for one, other in zip(written, read, strict=True):
        assert one.tobytes() == other.tobytes()
    check_boxes(read, SIZE, CITYSCAPES_BOXES_8, "s")


def test_numbers_have_the_fewest_digits_of_their_float32():
    written = boxes((0.1, 2, 1 / 3, 10.5))
    assert json.loads(encode_boxes(written))["xyxy"] == [[0.1, 2.0, 0.33333334, 10.5]]


def test_as_many_as_there_may_be_fit_into_the_bytes_that_there_may_be():
    rng = np.random.default_rng(0)
    edges = rng.uniform(1000, 9999, (MAX_BOXES, 4))
    many = box_arrays(edges, np.full(MAX_BOXES, 253), np.zeros(MAX_BOXES, bool))
    assert decode_boxes(encode_boxes(many), "s").num_boxes == MAX_BOXES


FILE = {"xyxy": [[1, 2, 3, 4]], "label": [0], "ignore": [False]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file: Invalid JSON"),
        (b'{"xyxy": [[1,', "the file: Invalid JSON"),
        (b"[" * 10_000, "the file: Invalid JSON"),
        (b"[]", "the file: Input should be an object"),
        (json.dumps({**FILE, "more": 1}).encode(), "more: Extra inputs"),
        (json.dumps({"xyxy": []}).encode(), "label: Field required"),
        (json.dumps({**FILE, "xyxy": [[1, 2, 3]]}).encode(), r"xyxy.0.3: Field required"),
        (json.dumps({**FILE, "xyxy": [[1, 2, 3, "a"]]}).encode(), r"xyxy.0.3: .* valid number"),
        (json.dumps({**FILE, "label": [10**30]}).encode(), r"label.0: .* less than"),
        (json.dumps({**FILE, "label": [1.5]}).encode(), r"label.0: .* integer"),
        (json.dumps({**FILE, "ignore": [1]}).encode(), r"ignore.0: .* boolean"),
        (json.dumps({**FILE, "label": [0, 1]}).encode(), "1 boxes, 2 labels and 1 marks"),
        (b'{"xyxy": ' + b" " * MAX_BYTES, f"at most {MAX_BYTES} are read"),
        (json.dumps({**FILE, "label": [0] * (MAX_BOXES + 1)}).encode(), "at most 10000 items"),
    ],
)
def test_damage_is_named(data, said):
    with pytest.raises(DamageError, match=rf"sample s: its boxes.json .*{said}.*") as caught:
        decode_boxes(data, "sample s")
    assert str(caught.value).endswith("build the shard again")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((1, 2, float("nan"), 4), r"box 1 = \[1, 2, nan, 4\] can't be: give finite"),
        ((1, 2, 1e39, 4), r"box 1 = \[1, 2, inf, 4\] can't be: give finite"),
        ((-0.5, 2, 3, 4), r"box 1 = \[-0.5, 2, 3, 4\] can't be: its image is 64x48"),
        ((1, 2, 64.01, 4), r"box 1 = \[1, 2, 64.01, 4\] can't be: its image is 64x48"),
        ((1, 2, 3, 49), r"box 1 = \[1, 2, 3, 49\] can't be: its image is 64x48"),
        ((3, 2, 3, 4), r"box 1 = \[3, 2, 3, 4\] can't be: it has no area"),
        ((1, 4, 3, 2), r"box 1 = \[1, 4, 3, 2\] can't be: it has no area"),
    ],
)
def test_a_box_that_can_not_be_is_refused_by_its_number(wrong, said):
    with pytest.raises(DataError, match=f"sample s: its {said}") as caught:
        check_boxes(boxes((0, 0, 64, 48), wrong), SIZE, CITYSCAPES_BOXES_8, "sample s")
    assert not isinstance(caught.value, DamageError)


def test_unknown_classes_and_too_many_boxes_are_refused():
    for label in (8, -1, 255):
        with pytest.raises(DataError, match=rf"box 0 has the label {label}, but cityscapes_boxes8"):
            check_boxes(boxes((0, 0, 1, 1), label=label), SIZE, CITYSCAPES_BOXES_8, "s")
    many = boxes(*[(0.0, 0.0, 1.0, 1.0)] * (MAX_BOXES + 1))
    with pytest.raises(DataError, match="it has 10001 boxes, but at most 10000"):
        check_boxes(many, SIZE, CITYSCAPES_BOXES_8, "s")


def test_boxes_are_counted_by_class_and_ignored_ones_apart():
    three = box_arrays([[0, 0, 1, 1]] * 4, [2, 0, 2, 2], [False, False, False, True])
    assert count_boxes(three, 3) == (1, 0, 2, 1)
    assert count_boxes(boxes(), 2) == (0, 0, 0)
