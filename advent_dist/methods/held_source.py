"""The source's half of DAFormer: its labels, and features that stay where they were."""

from __future__ import annotations

from typing import final

from torch import Tensor

from advent_dist.config.methods.daformer import FeatureDistanceConfig
from advent_dist.methods.feature_distance import FeatureDistance
from advent_dist.methods.levels import all_pixels_losses, weighted
from advent_dist.methods.logit_adjustment import LogitAdjustment
from advent_dist.methods.parts import Parts
from advent_dist.types import DomainBatch


@final
class HeldSource:
    """Cross entropy over all pixels and the feature distance, of one forward pass.

    Args:
        config: of the method.
        parts: the segmenter, as it trains and as it was.
    """

    def __init__(self, config: FeatureDistanceConfig, parts: Parts) -> None:
        assert parts.initial is not None
        self._config = config
        self._segmenter = parts.engines["segmenter"]
        self._adjusted = LogitAdjustment(config, parts)
        num_classes = len(parts.source_prior)
        self._distance = FeatureDistance(parts.initial, num_classes, config, parts.world)

    def fit(self, batch: DomainBatch) -> dict[str, Tensor]:
        """Forward and backward pass; another loss follows. Collective."""
        output = self._segmenter(batch.source_image, None, True)
        losses = all_pixels_losses("seg", self._adjusted(output), batch.source_label)
        losses["fd"] = self._distance(output.features, batch.source_image, batch.source_label)
        self._segmenter.backward(weighted(losses, self._config), more=True)
        return losses
