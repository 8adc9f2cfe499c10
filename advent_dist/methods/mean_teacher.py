"""The mean teacher of self-training: it labels target images, and follows the student."""

from __future__ import annotations

from typing import final

from torch import Tensor

from advent_dist.config.method import SelfTrainingConfig
from advent_dist.losses import at_least_fp32
from advent_dist.methods.parts import Parts
from advent_dist.methods.pseudo_labels import PseudoLabels, pseudo_labels


@final
class MeanTeacher:
    """The segmenter's moving average.

    Args:
        config: of the method.
        parts: teacher and student.
    """

    def __init__(self, config: SelfTrainingConfig, parts: Parts) -> None:
        assert parts.teacher is not None, "the method says that it needs one"
        self._config = config
        self._average = parts.teacher
        self._student = parts.engines["segmenter"]
        self._world = parts.world

    def label(self, images: Tensor) -> PseudoLabels:
        """Pseudo-labels of images [n, 3, h, w], RGB in 0..255. Collective."""
        probabilities = at_least_fp32(self._average(images).main).softmax(1)
        return pseudo_labels(probabilities, self._config, self._world)

    def follow(self) -> None:
        """Take the student as it is into the average, once an optimiser step. Collective."""
        self._average.follow(self._student, self._config.teacher_decay)
