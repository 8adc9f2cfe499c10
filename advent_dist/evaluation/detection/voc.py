"""Average precision as PASCAL VOC has it since 2010 (Everingham et al., IJCV 2015, section 4.2)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import box_iou

from advent_dist.evaluation.detection.records import ImageRecord, Records

IOU = 0.5
"""From which on a box is found."""


def voc_average_precision(records: Records, num_classes: int) -> tuple[float, ...]:
    """The area under each class's curve of precision over recall, in percent; nan of absent ones.

    A box that is found is right if the true box of its class that it overlaps most does so by
    `IOU`, and no likelier one has it already. Where that one is ignored, VOC's "difficult", it is
    neither right nor wrong. Precision is the highest at any larger recall, and edges are those of
    areas, where VOC's own program counts pixels.

    Args:
        records: of each image, once.
        num_classes: C.
    """
    matches = [_best(record) for record in records]
    return tuple(_of_class(one, records, matches) for one in range(num_classes))


def _best(record: ImageRecord) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each found box of an image the true one of its class that it overlaps most, and by what.

    The overlap is 0 where there is none.
    """
    if not len(record.true):
        return np.zeros(len(record.found), np.int64), np.zeros(len(record.found), np.float32)
    overlap = box_iou(torch.from_numpy(record.found), torch.from_numpy(record.true)).numpy()
    overlap = np.where(record.found_label[:, None] == record.true_label, overlap, 0)
    return overlap.argmax(1), overlap.max(1)


def _of_class(
    label: int,
    records: Records,
    matches: list[tuple[NDArray[np.int64], NDArray[np.float32]]],
) -> float:
    to_find = sum(int(((record.true_label == label) & ~record.ignore).sum()) for record in records)
    if not to_find:
        return float("nan")
    found = [
        (float(record.score[place]), image, int(place))
        for image, record in enumerate(records)
        for place in np.flatnonzero(record.found_label == label)
    ]
    right, taken = [], set()
    # Of equal scores the earlier image's first.
    for _, image, place in sorted(found, key=lambda one: -one[0]):
        best, overlap = matches[image][0][place], matches[image][1][place]
        if overlap >= IOU and records[image].ignore[best]:
            continue
        right.append(overlap >= IOU and (image, best) not in taken)
        if right[-1]:
            taken.add((image, best))
    return 100 * _area(np.array(right, bool), to_find)


def _area(right: NDArray[np.bool_], to_find: int) -> float:
    """Under the curve of found boxes in the order of their scores."""
    hits = right.cumsum()
    precision = hits / np.arange(1, len(right) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    # Recall grows by as much at each box that is right.
    return float(highest[right].sum() / to_find)
