"""The term of DACS: learn from target images into which classes of the source are pasted."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from advent_dist.augmentation.classmix import choose_classes, paste
from advent_dist.augmentation.draws import on_device
from advent_dist.augmentation.strong import StrongAugmentation
from advent_dist.config.methods.self_training import SelfTrainingConfig
from advent_dist.methods.levels import all_pixels_losses, weighted
from advent_dist.methods.logit_adjustment import LogitAdjustment
from advent_dist.methods.parts import Parts
from advent_dist.methods.pseudo_labels import PseudoLabels
from advent_dist.types import DomainBatch


@final
class Mixed:
    """Cross entropy on mixed images, where pixels of the source weigh 1.

    Args:
        config: of the method.
        parts: the student, and the source's class frequencies.
    """

    def __init__(self, config: SelfTrainingConfig, parts: Parts) -> None:
        self._segmenter = parts.engines["segmenter"]
        self._adjusted = LogitAdjustment(config, parts)
        self._config = config
        self._strong = strong_augmentation(config)

    def fit(self, batch: DomainBatch, pseudo: PseudoLabels, *, more: bool) -> dict[str, Tensor]:
        """Forward and backward pass.

        Args:
            batch: the micro-batch.
            pseudo: labels of its target images.
            more: whether another loss follows.

        Returns:
            The losses of the heads.
        """
        label = batch.source_label
        draws = on_device(torch.rand(len(label), 256), label.device)
        pasted = paste(choose_classes(label, draws, self._config.mix_classes_of), label)
        image = torch.where(pasted[:, None], batch.source_image, batch.target_image)
        mixed_label = torch.where(pasted, label, pseudo.label)
        weight = torch.where(pasted, 1.0, pseudo.weight)
        output = self._segmenter(self._strong(image))
        adjusted = self._adjusted(output, where=pasted)
        losses = all_pixels_losses("mix", adjusted, mixed_label, weight)
        self._segmenter.backward(weighted(losses, self._config), more=more)
        return losses


def strong_augmentation(config: SelfTrainingConfig) -> StrongAugmentation:
    """The strong augmentation of a self-training config."""
    return StrongAugmentation(
        jitter=config.jitter,
        jitter_probability=config.jitter_probability,
        blur_probability=config.blur_probability,
    )
