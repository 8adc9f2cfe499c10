"""Object detection: boxes, each of a class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import torch
from torch import nn

from advent_dist.config import Experiment, OptimizerConfig
from advent_dist.config.methods.detection import DetectorAdversarialConfig
from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.evaluation.detection.evaluate import evaluate_boxes, summarise_boxes
from advent_dist.methods.detection.adversary import discriminators_of
from advent_dist.models.detection.weights import load_detector_weights
from advent_dist.models.detector import Detector, build_detector
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.world import World
from advent_dist.training.optimizers import detector_optimizer
from advent_dist.types import BoxEvaluationBatch


@final
class Detection:
    """See `Task`."""

    def __init__(self, experiment: Experiment) -> None:
        self._model = experiment.detector
        self._method = experiment.method
        self._size = experiment.data.evaluation_size
        # Only ZeRO-3 gathers in its forwards, so only there must ranks make equally many of them.
        self._in_step = experiment.engine.zero_stage == 3

    def build(self, num_classes: int) -> Detector:
        """See `Task`."""
        detector = build_detector(self._model, num_classes)
        if self._model.weights is not None:
            load_detector_weights(detector, self._model.weights)
        return detector

    def optimizer(self, network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
        """See `Task`."""
        assert isinstance(network, Detector)
        return detector_optimizer(network, config)

    def discriminators(
        self, network: nn.Module, num_classes: int
    ) -> Iterator[tuple[str, nn.Module]]:
        """One for each map of features that is adapted."""
        assert isinstance(network, Detector)
        assert isinstance(self._method, DetectorAdversarialConfig), "others need none"
        width = self._model.discriminator_width
        yield from discriminators_of(self._method, network, width).items()

    def score(
        self,
        network: Engine,
        images: EvaluationLoader[BoxEvaluationBatch],
        classes: ClassSet,
        world: World,
    ) -> dict[str, Any]:
        """See `Task`; the numbers are those of `BoxEvaluation.to_json`."""
        detector = network.module
        assert isinstance(detector, Detector)
        counts = evaluate_boxes(
            network,
            detector.decode,
            images,
            num_classes=classes.num_classes,
            device=world.device,
            any_left=world.any if self._in_step else None,
            size=self._size,
        )
        skipped = int(world.sum(torch.tensor(images.skipped, device=world.device)))
        images.require_little_damage(skipped)
        total = counts.gather(world)
        return summarise_boxes(total, classes, skipped, labelled=images.labelled).to_json()
