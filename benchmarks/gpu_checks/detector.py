"""A detector's training, and its scores."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from advent_dist.config.override import override
from advent_dist.data.class_sets import CITYSCAPES_BOXES_8
from advent_dist.experiments import experiment
from advent_dist.parallel.world import World
from advent_dist.training.assembly import build_method
from advent_dist.training.tasks import task_of
from advent_dist.types import BoxBatch, Boxes, BoxEvaluationBatch
from benchmarks.gpu_checks.found import Found


def check(world: World, scale: float) -> Found:
    """A detector's AdvEnt takes two steps, and its boxes are found and scored."""
    chosen = override(experiment("streets_boxes_advent"), {"engine.kind": "local"})
    task = task_of(chosen)
    method = build_method(chosen, world, torch.full((8,), 1 / 8))
    boxes = Boxes(
        xyxy=torch.tensor([[10.0, 10.0, 90.0, 60.0]]),
        label=torch.tensor([2]),
        ignore=torch.tensor([False]),
    )
    images = torch.randint(0, 256, (4, 3, 160, 320), dtype=torch.uint8)
    batch = BoxBatch(source_image=images, source_boxes=(boxes,) * 4, target_image=images)
    for _ in range(2):
        losses = method.step(batch.to(world.device))
        assert all(bool(loss.isfinite()) for loss in losses.values())
    network = method.engines[chosen.network]
    network.module.eval()
    found = task.score(network, _OneBatch(images, boxes), CITYSCAPES_BOXES_8, world)  # type: ignore[arg-type]
    numbers = {name: float(found[name]) for name in ("detections", "images")}
    return Found(
        said=f"{found['detections']} boxes found in {found['images']} images", numbers=numbers
    )


class _OneBatch:
    """What an evaluation reads, without shards."""

    skipped, labelled = 0, True

    def __init__(self, images: torch.Tensor, boxes: Boxes) -> None:
        self._batch = BoxEvaluationBatch(
            image=images,
            sizes=((320, 160),) * len(images),
            boxes=(boxes,) * len(images),
            keys=tuple(map(str, range(len(images)))),
        )

    def __iter__(self) -> Iterator[BoxEvaluationBatch]:
        yield self._batch

    def require_little_damage(self, skipped: int) -> None:
        """There is none."""
