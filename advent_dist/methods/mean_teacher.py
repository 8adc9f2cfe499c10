"""The mean teacher of self-training: it labels target images, and follows the student."""

from __future__ import annotations

from typing import final

from torch import Tensor

from advent_dist.config.methods.self_training import SelfTrainingConfig
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

    def label(self, images: Tensor, *, mirrored: bool = False) -> PseudoLabels:
        """Pseudo-labels of images [n, 3, h, w], RGB in 0..255. Collective.

        Args:
            images: of the target.
            mirrored: take the mean of the probabilities of each image and its mirror image.
        """
        probabilities = self._probabilities(images)
        if mirrored:
            of_mirror = self._probabilities(images.flip(-1)).flip(-1)
            probabilities = (probabilities + of_mirror) / 2
        return pseudo_labels(probabilities, self._config, self._world)

    def _probabilities(self, images: Tensor) -> Tensor:
        return at_least_fp32(self._average(images).main).softmax(1)

    def follow(self) -> None:
        """Take the student as it is into the average, once an optimiser step. Collective."""
        self._average.follow(self._student, self._config.teacher_decay)
