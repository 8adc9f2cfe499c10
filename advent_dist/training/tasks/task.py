"""What a training has to know of its task: which networks there are, and what they are worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import nn

from advent_dist.config import Experiment, OptimizerConfig
from advent_dist.data.classes import ClassSet
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.models.detector import Detector
from advent_dist.models.segmenter import Segmenter
from advent_dist.parallel.engine import Engine
from advent_dist.parallel.world import World

TaskNetwork = Segmenter | Detector
"""The network of a task."""


class Task(Protocol):
    """Segmentation or detection, of one experiment.

    Methods, samples, augmentation and reports have files of their own for each; what trains,
    stores and searches is the same.
    """

    def __init__(self, experiment: Experiment) -> None: ...

    def build(self, num_classes: int) -> TaskNetwork:
        """The network in fp32 on the CPU, with the initial weights that the config names.

        Raises:
            ConfigError: it can't be built, or there are no such weights.
            CheckpointError: the weights are none, or those of another network.
        """

    def optimizer(self, network: TaskNetwork, config: OptimizerConfig) -> torch.optim.Optimizer:
        """The network's optimiser."""

    def discriminators(
        self, network: TaskNetwork, num_classes: int
    ) -> Iterator[tuple[str, nn.Module]]:
        """The discriminators under the names of their engines, each built when it is asked for."""

    def score(
        self, network: Engine, images: EvaluationLoader[Any], classes: ClassSet, world: World
    ) -> dict[str, Any]:
        """What the network, in eval mode, is worth on images, JSON-able. Collective.

        Raises:
            DamageError: more samples were skipped than `data.max_damaged_fraction` allows.
            DivergedError: what it predicts is not finite.
        """
