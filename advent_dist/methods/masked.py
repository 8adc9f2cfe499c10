"""The term of MIC: predict what is hidden of target images from what is around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor

from advent_dist.augmentation import blocks
from advent_dist.augmentation.draws import on_device
from advent_dist.config.methods import (
    MICConfig,
    MICDACSConfig,
    MICHRDAConfig,
    VFMUDAConfig,
    VFMUDAPlusPlusConfig,
)
from advent_dist.methods.levels import all_pixels_losses, weighted
from advent_dist.methods.mixed import strong_augmentation
from advent_dist.methods.pseudo_labels import PseudoLabels
from advent_dist.models.running_statistics import batch_norms, kept_statistics
from advent_dist.models.segmenter import EncoderWithHeads, Segmenter
from advent_dist.parallel.engine import Engine
from advent_dist.types import DomainBatch


@final
class Masked:
    """Cross entropy on masked target images, over hidden and visible pixels (MIC, eq. 7).

    Blocks of pixels are hidden, which have the mean colour of the encoder's pretraining then: 0 to
    the network. Of an encoder with a mask token patches are hidden instead (VFM-UDA).

    Args:
        config: of the method.
        segmenter: the student.
    """

    def __init__(
        self,
        config: MICConfig | MICDACSConfig | MICHRDAConfig | VFMUDAConfig | VFMUDAPlusPlusConfig,
        segmenter: Engine,
    ) -> None:
        self._segmenter = segmenter
        self._config = config
        self._strong = strong_augmentation(config)
        assert isinstance(segmenter.module, Segmenter)
        self._hidden = segmenter.module.normalise.mean_colour
        network = segmenter.module.network
        self._still = [] if config.mask_statistics else batch_norms(segmenter.module)
        encoder = network.encoder if isinstance(network, EncoderWithHeads) else None
        self._encoder = encoder if encoder is not None and encoder.mask_token is not None else None

    def fit(self, batch: DomainBatch, pseudo: PseudoLabels, *, more: bool) -> dict[str, Tensor]:
        """Forward and backward pass; see `Mixed.fit`."""
        with self._masked(self._strong(batch.target_image)) as image, kept_statistics(self._still):
            output = self._segmenter(image)
        losses = all_pixels_losses("mask", output, pseudo.label, pseudo.weight)
        self._segmenter.backward(weighted(losses, self._config), more=more)
        return losses

    @contextmanager
    def _masked(self, image: Tensor) -> Iterator[Tensor]:
        """The images without what is hidden, or as long as their patches are hidden."""
        n, _, height, width = image.shape
        ratio = self._config.mask_ratio
        if self._encoder is not None:
            draws = torch.rand(n, *self._encoder.grid(height, width))
            with self._encoder.hiding(on_device(draws < ratio, image.device)):
                yield image
            return
        draws = torch.rand(n, *blocks.grid(height, width, self._config.mask_block))
        draws = on_device(draws, image.device)
        yield torch.where(blocks.kept(draws, ratio, height, width), image, self._hidden)
