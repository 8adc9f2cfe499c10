"""COCO's numbers against its own program called by hand, VOC's against those of a pencil."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from advent_dist.data.classes import ClassSet
from advent_dist.errors import DataError
from advent_dist.evaluation.detection.coco import coco_scores
from advent_dist.evaluation.detection.evaluate import accuracy_of_boxes
from advent_dist.evaluation.detection.records import ImageRecord, gathered
from advent_dist.evaluation.detection.voc import voc_average_precision
from advent_dist.parallel.world import World
from advent_dist.types import Boxes, Detections

CLASSES = ClassSet(name="three", names=("car", "bus", "bike"), palette=((0, 0, 0),) * 3)
Row = tuple[float, float, float, float, int, float]
"""Left, top, right, bottom, class, and score or whether it is ignored."""


def record(key: str, found: list[Row], true: list[Row]) -> ImageRecord:
    rows, others = (torch.tensor(one, dtype=torch.float32).view(-1, 6) for one in (found, true))
    return ImageRecord.of(
        key,
        Detections(xyxy=rows[:, :4], label=rows[:, 4].long(), score=rows[:, 5]),
        Boxes(xyxy=others[:, :4], label=others[:, 4].long(), ignore=others[:, 5].bool()),
    )


def random_records(images: int = 12) -> list[ImageRecord]:
    """True boxes, most of them found more or less, and boxes of nothing; some ignored."""
    random = np.random.default_rng(0)
    records = []
    for image in range(images):
        true: list[Row] = []
        found: list[Row] = []
        for _ in range(random.integers(0, 6)):
            left, top = random.uniform(0, 60, 2)
            width, height = random.uniform(8, 40, 2)
            label = int(random.integers(0, 2))
            true.append((left, top, left + width, top + height, label, random.random() < 0.2))
            for _ in range(random.integers(0, 3)):
                off = random.uniform(-0.25, 0.25, 4) * [width, height, width, height]
                box = np.array(true[-1][:4]) + off
                found.append((*box.tolist(), label, random.random()))
        for _ in range(random.integers(0, 3)):
            left, top = random.uniform(0, 60, 2)
            found.append((left, top, left + 20, top + 20, int(random.integers(0, 3)), 0.5))
        found.sort(key=lambda one: -one[5])
        records.append(record(f"{image:02}", found, true))
    return records


def by_hand(records: list[ImageRecord]) -> Any:
    """What pycocotools says where it is called as its own demo does it."""
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number} for number in range(len(records))],
        "categories": [{"id": one, "name": name} for one, name in enumerate(CLASSES.names)],
        "annotations": [],
        "info": {},
    }
    results = []
    for number, one in enumerate(records):
        for box, label, ignore in zip(one.true, one.true_label, one.ignore, strict=True):
            left, top, right, bottom = map(float, box)
            annotation = {
                "id": len(truth.dataset["annotations"]) + 1,
                "image_id": number,
                "category_id": int(label),
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": int(ignore),
            }
            truth.dataset["annotations"].append(annotation)
        for box, label, score in zip(one.found, one.found_label, one.score, strict=True):
            left, top, right, bottom = map(float, box)
            results.append([number, left, top, right - left, bottom - top, score, int(label)])
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(np.array(results)), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def test_cocos_scores_are_those_of_its_own_program(capsys: pytest.CaptureFixture[str]) -> None:
    records = random_records()
    scores = coco_scores(records, 3)
    assert capsys.readouterr().out == ""
    evaluation = by_hand(records)
    expected = 100 * evaluation.stats[:3]
    assert [scores.average, scores.at_50, scores.at_75] == pytest.approx(expected, abs=1e-9)
    assert 5 < scores.average < scores.at_50 < 95
    of_class = 100 * evaluation.eval["precision"][0, :, :, 0, -1].mean(0)
    assert list(scores.per_class[:2]) == pytest.approx(of_class[:2], abs=1e-9)
    assert math.isnan(scores.per_class[2])  # no box is of the third


def test_all_found_is_100_and_nothing_is_0() -> None:
    true: list[Row] = [(0, 0, 10, 10, 0, 0), (20, 20, 50, 40, 1, 0)]
    found: list[Row] = [(0, 0, 10, 10, 0, 0.9), (20, 20, 50, 40, 1, 0.1)]
    for rows, expected in ((found, 100.0), ([], 0.0)):
        accuracy = accuracy_of_boxes([record("a", rows, true)], CLASSES)
        scores = (accuracy.map, accuracy.map50, accuracy.map75, accuracy.voc_ap50)
        assert scores == pytest.approx((expected,) * 4)
        assert accuracy.boxes == 2
        assert accuracy.per_class["car"] == pytest.approx(expected)
        assert math.isnan(accuracy.per_class["bike"])


def test_voc_by_hand() -> None:
    """Four cars in two images, of which one is ignored.

    By score: 0.9 right; 0.8 the same car again, wrong; 0.7 in the ignored car, left out; 0.6 right,
    in the other image; 0.5 of nothing, wrong. Precision is 1, 1/2, 2/3, 2/4 at recalls of 1/3, 1/3,
    2/3, 2/3; the area 1/3 * 1 + 1/3 * 2/3.
    """
    one = record(
        "a",
        [
            (0, 0, 10, 10, 0, 0.9),
            (0, 0, 10, 9, 0, 0.8),
            (40, 40, 60, 60, 0, 0.7),
            (80, 80, 90, 90, 0, 0.5),
        ],
        [(0, 0, 10, 10, 0, 0), (40, 40, 60, 60, 0, 1)],
    )
    other = record(
        "b",
        [(0, 0, 10, 6, 0, 0.6)],  # an IoU of 0.6
        [(0, 0, 10, 10, 0, 0), (50, 50, 60, 60, 0, 0)],
    )
    car, bus, _ = voc_average_precision([one, other], 3)
    assert car == pytest.approx(100 * (1 / 3 + 2 / 9))
    assert math.isnan(bus)


def test_voc_a_box_is_right_at_half_and_only_of_its_class() -> None:
    true: list[Row] = [(0, 0, 10, 10, 0, 0)]
    for found, expected in [
        ((0, 0, 10, 5, 0, 0.9), 100.0),
        ((0, 0, 10, 4.9, 0, 0.9), 0.0),
        ((0, 0, 10, 10, 1, 0.9), 0.0),
    ]:
        assert voc_average_precision([record("a", [found], true)], 2)[0] == pytest.approx(expected)


def test_images_are_in_the_order_of_their_keys_and_none_is_lost() -> None:
    first, second, twin = record("a", [], []), record("b", [], []), record("b", [], [])
    assert gathered([second, first, twin], World()) == [first, second, twin]


def test_no_box_that_counts() -> None:
    true: list[Row] = [(0, 0, 10, 10, 0, 1)]
    with pytest.raises(DataError, match="none of 1 evaluated images has a box that counts"):
        accuracy_of_boxes([record("a", [], true)], CLASSES)
