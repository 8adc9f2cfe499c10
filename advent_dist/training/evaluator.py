"""The scores of a training's segmenter, as it is, on images of the target. Collective."""

from __future__ import annotations

from typing import Any

import torch

from advent_dist.config import Experiment
from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import EvaluationLoader, target_images
from advent_dist.evaluation.counts import evaluate, summarise
from advent_dist.models.sliding import main_logits
from advent_dist.parallel.buffers import pooled_batch_norm
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.world import World
from advent_dist.training.progress import Scores


class Evaluator:
    """Scores a segmenter on target images, and on source images if any; its readers stay between.

    Raises:
        DataError: shards are missing, or not as the config says.
    """

    def __init__(self, experiment: Experiment, classes: ClassSet, world: World) -> None:
        data = experiment.data
        self._size = data.evaluation_size
        self._sliding = data.sliding
        self._classes = classes
        self._world = world
        # Only ZeRO-3 gathers in its forwards, so only there must ranks make equally many of them.
        self._in_step = experiment.engine.zero_stage == 3
        rank, size, pinned = world.rank, world.size, world.device.type == "cuda"
        self._target = target_images(data, rank=rank, world_size=size, pinned=pinned)
        self._source: EvaluationLoader | None = None
        if (folder := data.source_evaluation) is not None:
            self._source = EvaluationLoader(data, folder, rank=rank, world_size=size, pinned=pinned)

    def start(self) -> None:
        """Fork the readers."""
        self._target.start()
        if self._source is not None:
            self._source.start()

    def close(self) -> None:
        """End the readers."""
        self._target.close()
        if self._source is not None:
            self._source.close()

    def scores(self, segmenter: Engine, step: int) -> Scores:
        """The scores of a segmenter as it is. Collective.

        Raises:
            DamageError: more samples were skipped than `data.max_damaged_fraction` allows.
        """
        segmenter.module.eval()
        with pooled_batch_norm(segmenter.module, self._world):
            target = self._score(segmenter, self._target)
            source = None if self._source is None else self._score(segmenter, self._source)
        segmenter.module.train()
        return Scores(step=step, target=target, source=source)

    def _score(self, segmenter: Engine, images: EvaluationLoader) -> dict[str, Any]:
        world, classes = self._world, self._classes
        counts = evaluate(
            [lambda image, size: main_logits(segmenter, image, size, self._sliding)],
            images,
            num_classes=classes.num_classes,
            device=world.device,
            any_left=world.any if self._in_step else None,
            size=self._size,
        )
        skipped = int(world.sum(torch.tensor(images.skipped, device=world.device)))
        images.require_little_damage(skipped)
        total = counts.all_reduce()
        return summarise(total, classes, skipped, labelled=images.labelled).to_json()
