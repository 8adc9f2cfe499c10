"""A detector's scores are those of one rank, however its images are spread over ranks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from advent_dist.config import EngineConfig
from advent_dist.data.classes import ClassSet
from advent_dist.evaluation.detection.evaluate import evaluate_boxes, summarise_boxes
from advent_dist.parallel.world import World
from advent_dist.types import BoxEvaluationBatch
from tests.detection_helpers import CLASSES, SIDE, detection_method, random_boxes
from tests.helpers import run_ranks

IMAGES = 5
NAMES = ClassSet(name="tiny", names=("a", "b", "c"), palette=((0, 0, 0),) * CLASSES)


def _batch(number: int) -> BoxEvaluationBatch:
    """One image, stored at twice the size that the detector sees."""
    random = torch.Generator().manual_seed(number)
    return BoxEvaluationBatch(
        image=torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=random).byte(),
        sizes=((2 * SIDE, 2 * SIDE),),
        boxes=(random_boxes(number, side=2 * SIDE),),
        keys=(f"image{number}",),
    )


def _evaluate(world: World, engine: dict[str, Any], *, labelled: bool = True) -> dict[str, Any]:
    method = detection_method("detector_source_only", world, EngineConfig(**engine))
    detector = method.engines["detector"]
    module = detector.module.eval()
    batches = [_batch(number) for number in range(world.rank, IMAGES, world.size)]
    if not labelled:
        batches = [replace(batch, boxes=None) for batch in batches]
    counts = evaluate_boxes(
        detector,
        module.decode,
        batches,
        CLASSES,
        world.device,
        any_left=world.any,
        size=(SIDE, SIDE),
    )
    return summarise_boxes(counts.gather(world), NAMES, labelled=labelled).to_json()


def _assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


def test_two_ranks_are_one() -> None:
    """Of five images they have three and two."""
    alone = _evaluate(World(), {"kind": "local"})
    assert alone["images"] == IMAGES
    assert alone["boxes"] == 3 * IMAGES
    assert alone["detections"] > 3 * IMAGES
    assert alone["map50"] > 0
    for found in run_ranks(_evaluate, 2, {"kind": "local"}):
        _assert_same(found, alone)


def test_sharded_ranks_go_on_together() -> None:
    alone = _evaluate(World(), {"kind": "local"})
    sharded = {"zero_stage": 3, "zero3_persistence_threshold": 0}
    for found in run_ranks(_evaluate, 2, sharded):
        _assert_same(found, alone)


def test_without_labels_there_are_criteria_alone() -> None:
    alone = _evaluate(World(), {"kind": "local"})
    found = _evaluate(World(), {"kind": "local"}, labelled=False)
    assert alone.keys() - found.keys() == {
        "map",
        "map50",
        "map75",
        "voc_ap50",
        "per_class",
        "boxes",
    }
    _assert_same(found, {name: alone[name] for name in found})
