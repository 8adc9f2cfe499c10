"""The scores of a training's segmenter, as it is, on the labelled folders. Collective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from advent_dist.config import Experiment
from advent_dist.data.classes import ClassSet
from advent_dist.data.loader import EvaluationLoader
from advent_dist.evaluation.counts import evaluate, summarise
from advent_dist.methods.base import Method
from advent_dist.parallel.buffers import pooled_batch_norm
from advent_dist.parallel.world import World
from advent_dist.training.progress import Progress, Scores


def evaluator(
    experiment: Experiment, classes: ClassSet, world: World, method: Method, progress: Progress
) -> Callable[[], Scores]:
    """A function that scores the segmenter as it is on every labelled evaluation folder.

    It is collective, and raises DamageError where more samples were skipped than
    `data.max_damaged_fraction` allows.
    """
    data = experiment.data
    segmenter = method.engines["segmenter"]
    # Only ZeRO-3 gathers in its forwards, so only there must ranks make equally many of them.
    in_step = experiment.engine.zero_stage == 3

    def score(folder: str) -> dict[str, Any]:
        loader = EvaluationLoader(data, folder, rank=world.rank, world_size=world.size)
        counts = evaluate(
            [lambda image, size: segmenter(image, size).main],
            loader,
            num_classes=classes.num_classes,
            device=world.device,
            rounds=loader.rounds if in_step else None,
            size=data.evaluation_size,
        )
        skipped = int(world.sum(torch.tensor(loader.skipped, device=world.device)))
        loader.require_little_damage(skipped)
        return summarise(counts.all_reduce(), classes, skipped).to_json()

    def scores() -> Scores:
        segmenter.module.eval()
        with pooled_batch_norm(segmenter.module, world):
            target = score(data.evaluation)
            source = score(data.source_evaluation) if data.source_evaluation else None
        segmenter.module.train()
        return Scores(step=progress.step, target=target, source=source)

    return scores
