"""Semantic segmentation: a class for each pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import torch
from torch import nn

from advent_dist.config import Experiment, OptimizerConfig
from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.evaluation.counts import evaluate, summarise
from advent_dist.methods.levels import AUX, MAIN
from advent_dist.models.discriminator import Discriminator
from advent_dist.models.segmenter import Segmenter, build_segmenter
from advent_dist.models.sliding import main_logits
from advent_dist.models.weights import load_weights
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.world import World
from advent_dist.training.optimizers import segmenter_optimizer


@final
class Segmentation:
    """See `Task`."""

    def __init__(self, experiment: Experiment) -> None:
        self._model = experiment.segmenter
        self._data = experiment.data
        # Only ZeRO-3 gathers in its forwards, so only there must ranks make equally many of them.
        self._in_step = experiment.engine.zero_stage == 3

    def build(self, num_classes: int) -> Segmenter:
        """See `Task`."""
        segmenter = build_segmenter(self._model, num_classes)
        if self._model.weights is not None:
            load_weights(segmenter, self._model.weights)
        return segmenter

    def optimizer(self, network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
        """See `Task`."""
        assert isinstance(network, Segmenter)
        return segmenter_optimizer(network, config)

    def discriminators(
        self, network: nn.Module, num_classes: int
    ) -> Iterator[tuple[str, nn.Module]]:
        """One for each head."""
        for level in (MAIN, AUX) if self._model.multi_level else (MAIN,):
            width = self._model.discriminator_width
            yield f"discriminator{level}", Discriminator(num_classes, width)

    def score(
        self, network: Engine, images: EvaluationLoader, classes: ClassSet, world: World
    ) -> dict[str, Any]:
        """See `Task`; the numbers are those of `Evaluation.to_json`."""
        counts = evaluate(
            [lambda image, size: main_logits(network, image, size, self._data.sliding)],
            images,
            num_classes=classes.num_classes,
            device=world.device,
            any_left=world.any if self._in_step else None,
            size=self._data.evaluation_size,
        )
        skipped = int(world.sum(torch.tensor(images.skipped, device=world.device)))
        images.require_little_damage(skipped)
        total = counts.all_reduce()
        return summarise(total, classes, skipped, labelled=images.labelled).to_json()
