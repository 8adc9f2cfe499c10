"""The scores of a training's segmenter, as it is, on the evaluation images. Collective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from advent_dist.config import Experiment
from advent_dist.data.classes import ClassSet
from advent_dist.data.loader import EvaluationLoader, target_images
from advent_dist.evaluation.counts import evaluate, summarise
from advent_dist.methods.base import Method
from advent_dist.parallel.buffers import pooled_batch_norm
from advent_dist.parallel.world import World
from advent_dist.training.progress import Progress, Scores


def evaluator(
    experiment: Experiment, classes: ClassSet, world: World, method: Method, progress: Progress
) -> Callable[[], Scores]:
    """A function that scores the segmenter as it is on target images, and on source images if any.

    It is collective, and raises DamageError where more samples were skipped than
    `data.max_damaged_fraction` allows.
    """
    data = experiment.data
    segmenter = method.engines["segmenter"]
    # Only ZeRO-3 gathers in its forwards, so only there must ranks make equally many of them.
    in_step = experiment.engine.zero_stage == 3

    def images(folder: str | None) -> EvaluationLoader:
        rank, size, pinned = world.rank, world.size, world.device.type == "cuda"
        if folder is None:
            return target_images(data, rank=rank, world_size=size, pinned=pinned)
        return EvaluationLoader(data, folder, rank=rank, world_size=size, pinned=pinned)

    def score(folder: str | None) -> dict[str, Any]:
        loader = images(folder)
        counts = evaluate(
            [lambda image, size: segmenter(image, size).main],
            loader,
            num_classes=classes.num_classes,
            device=world.device,
            any_left=world.any if in_step else None,
            size=data.evaluation_size,
        )
        skipped = int(world.sum(torch.tensor(loader.skipped, device=world.device)))
        loader.require_little_damage(skipped)
        total = counts.all_reduce()
        return summarise(total, classes, skipped, labelled=loader.labelled).to_json()

    def scores() -> Scores:
        segmenter.module.eval()
        with pooled_batch_norm(segmenter.module, world):
            target, source = score(None), None
            if (folder := data.source_evaluation) is not None:
                source = score(folder)
        segmenter.module.train()
        return Scores(step=progress.step, target=target, source=source)

    return scores
