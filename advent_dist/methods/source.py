"""The source's half of most methods: its labels."""

from __future__ import annotations

from typing import final

from torch import Tensor

from advent_dist.config.methods.supervised import SupervisedConfig
from advent_dist.losses import cross_entropy
from advent_dist.methods.levels import levels, weighted
from advent_dist.methods.logit_adjustment import LogitAdjustment
from advent_dist.methods.parts import Parts
from advent_dist.models.segmenter import SegmenterOutput
from advent_dist.types import DomainBatch


@final
class Source:
    """Cross entropy of each head on the source images.

    Args:
        config: Of the method.
        parts: The segmenter, and the source's class frequencies.
    """

    def __init__(self, config: SupervisedConfig, parts: Parts) -> None:
        self._config = config
        self._segmenter = parts.engines["segmenter"]
        self._adjusted = LogitAdjustment(config, parts)

    def fit(self, batch: DomainBatch, *, more: bool) -> tuple[SegmenterOutput, dict[str, Tensor]]:
        """Forward and backward pass.

        Doing both before the target's forward pass keeps the graph of one domain at a time in
        memory.

        Args:
            batch: The micro-batch.
            more: Whether a loss on the target follows.

        Returns:
            The output, whose graph is freed, and the losses by name.
        """
        output = self._segmenter(batch.source_image)
        losses = {
            f"seg{level}": cross_entropy(logits, batch.source_label)
            for level, logits in levels(self._adjusted(output))
        }
        self._segmenter.backward(weighted(losses, self._config), more=more)
        return output, losses
