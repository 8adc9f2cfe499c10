"""Matching, losses, steps, decoding and scoring together make a detector that detects."""

from __future__ import annotations

import torch
from torch import Tensor

from advent_dist.data.classes import ClassSet
from advent_dist.evaluation.detection.evaluate import evaluate_boxes, summarise_boxes
from advent_dist.types import BoxBatch, Boxes, BoxEvaluationBatch
from tests.detection_helpers import CLASSES, SIDE, detection_method

NAMES = ClassSet(name="colours", names=("red", "green", "blue"), palette=((0, 0, 0),) * CLASSES)


def rectangles(seed: int, n: int) -> tuple[Tensor, tuple[Boxes, ...]]:
    """Two rectangles in each of n grey images, whose class is their colour."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(90, 160, (n, 3, SIDE, SIDE), generator=random).byte()
    boxes = []
    for image in images:
        corner = torch.randint(0, 40, (2, 2), generator=random)
        side = torch.randint(10, 24, (2, 2), generator=random)
        label = torch.randint(0, CLASSES, (2,), generator=random)
        edges = torch.cat((corner, corner + side), 1)
        for (left, top, right, bottom), colour in zip(edges.tolist(), label, strict=True):
            image[:, top:bottom, left:right] = 20
            image[colour, top:bottom, left:right] = 240
        nothing = torch.zeros(2, dtype=torch.bool)
        boxes.append(Boxes(xyxy=edges.float(), label=label, ignore=nothing))
    return images, tuple(boxes)


def test_a_detector_learns_to_find_rectangles_of_three_colours() -> None:
    method = detection_method("detector_source_only", lr=0.01)
    detector = method.engines["detector"].module
    images, boxes = rectangles(10**6, 32)
    keys = tuple(str(number) for number in range(len(images)))
    sizes = ((SIDE, SIDE),) * len(images)
    batch = BoxEvaluationBatch(image=images, sizes=sizes, boxes=boxes, keys=keys)
    scores = []
    for steps in (0, 80):
        for step in range(steps):
            source, true = rectangles(step, 8)
            method.step(BoxBatch(source_image=source, source_boxes=true, target_image=source))
        detector.eval()
        counts = evaluate_boxes(detector, detector.decode, [batch], CLASSES, torch.device("cpu"))
        scores.append(summarise_boxes(counts, NAMES))
        detector.train()
    before, after = [one.accuracy for one in scores]
    assert before.map50 < 5
    assert after.map50 > 50
    assert after.map75 < after.map50
    assert abs(after.voc_ap50 - after.map50) < 3
    # Without a label it can be told which of the two is better.
    certainty = [one.criteria.information_maximisation for one in scores]
    assert certainty[1] > certainty[0]
