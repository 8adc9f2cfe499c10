"""The term of MIC: predict what is hidden of target images from what is around it."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from advent_dist.augmentation import blocks
from advent_dist.config.method import MICConfig, MICDACSConfig, MICHRDAConfig
from advent_dist.methods.levels import all_pixels_losses, weighted
from advent_dist.methods.mixed import strong_augmentation
from advent_dist.methods.pseudo_labels import PseudoLabels
from advent_dist.models.segmenter import Segmenter
from advent_dist.parallel.engine import Engine
from advent_dist.types import DomainBatch


@final
class Masked:
    """Cross entropy on masked target images, over hidden and visible pixels (MIC, eq. 7).

    What is hidden has the mean colour of the encoder's pretraining, which is 0 to the network.

    Args:
        config: of the method.
        segmenter: the student.
    """

    def __init__(
        self, config: MICConfig | MICDACSConfig | MICHRDAConfig, segmenter: Engine
    ) -> None:
        self._segmenter = segmenter
        self._config = config
        self._strong = strong_augmentation(config)
        assert isinstance(segmenter.module, Segmenter)
        self._hidden = segmenter.module.normalise.mean_colour

    def fit(self, batch: DomainBatch, pseudo: PseudoLabels, *, more: bool) -> dict[str, Tensor]:
        """Forward and backward pass; see `Mixed.fit`."""
        image = self._strong(batch.target_image)
        n, _, height, width = image.shape
        draws = torch.rand(n, *blocks.grid(height, width, self._config.mask_block))
        draws = draws.to(image.device, non_blocking=True)
        seen = blocks.kept(draws, self._config.mask_ratio, height, width)
        masked = torch.where(seen, image, self._hidden)
        output = self._segmenter(masked)
        losses = all_pixels_losses("mask", output, pseudo.label, pseudo.weight)
        self._segmenter.backward(weighted(losses, self._config), more=more)
        return losses
