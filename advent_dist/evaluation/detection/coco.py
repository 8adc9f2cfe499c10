"""Average precision as COCO has it, by its own program. Only this file imports pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from advent_dist.evaluation.detection.records import Records

_EVERY_AREA = [0, 1e10]
_MOST = 100
"""Boxes of each class and image that count, the likeliest."""


@dataclass(frozen=True, kw_only=True)
class CocoScores:
    """In percent; nan of what no box that counts is of."""

    average: float
    """Mean over the classes and IoUs of 0.5, 0.55, ..., 0.95: COCO's AP."""

    at_50: float
    """Mean over the classes at an IoU of 0.5."""

    at_75: float
    """Mean over the classes at an IoU of 0.75."""

    per_class: tuple[float, ...]
    """Of each class at an IoU of 0.5."""


def coco_scores(records: Records, num_classes: int) -> CocoScores:
    """Average precision over all images, interpolated at 101 recalls.

    Ignored boxes are COCO's crowds: what lies in one by the IoU's share of its own area is neither
    right nor wrong, as many as there are.

    Args:
        records: of each image, once.
        num_classes: C.
    """
    precision = _precision(records, num_classes)
    return CocoScores(
        average=_mean(precision),
        at_50=_mean(precision[0]),
        at_75=_mean(precision[5]),
        per_class=tuple(_mean(precision[0, :, one]) for one in range(num_classes)),
    )


def _precision(records: Records, num_classes: int) -> NDArray[np.float64]:
    """[10 IoUs, 101 recalls, C]; -1 where there is nothing to find."""
    found: list[dict[str, Any]] = []
    true: list[dict[str, Any]] = []
    for image, record in enumerate(records):
        found += _annotations(image, record.found, record.found_label, score=record.score)
        true += _annotations(image, record.true, record.true_label, iscrowd=record.ignore)
    # It says what it does, line by line.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _index(true, len(records), num_classes),
            _index(found, len(records), num_classes),
            iouType="bbox",
        )
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [_EVERY_AREA], ["all"]
        evaluation.params.maxDets = [_MOST]
        evaluation.evaluate()
        evaluation.accumulate()
    precision: NDArray[np.float64] = evaluation.eval["precision"][:, :, :, 0, 0]
    return precision


def _annotations(
    image: int, boxes: NDArray[np.float32], labels: NDArray[np.int16], **more: NDArray[Any]
) -> Iterator[dict[str, Any]]:
    """COCO's entries of an image's boxes, without their ids."""
    for place, (left, top, right, bottom) in enumerate(boxes.tolist()):
        width, height = right - left, bottom - top
        yield {
            "image_id": image,
            "category_id": int(labels[place]),
            "bbox": [left, top, width, height],
            "area": width * height,
            "iscrowd": 0,
            **{name: values[place].item() for name, values in more.items()},
        }


def _index(annotations: list[dict[str, Any]], images: int, num_classes: int) -> Any:
    """A data set in memory."""
    index = COCO()
    index.dataset = {
        "images": [{"id": image} for image in range(images)],
        "categories": [{"id": one} for one in range(num_classes)],
        # From 1: it takes 0 for "matched by none".
        "annotations": [{"id": place, **one} for place, one in enumerate(annotations, 1)],
    }
    index.createIndex()
    return index


def _mean(precision: NDArray[np.float64]) -> float:
    """Of what there is something to find of, in percent."""
    there = precision[precision > -1]
    return float(100 * there.mean()) if there.size else float("nan")
