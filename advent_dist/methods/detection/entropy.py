"""The entropy of a detector's distributions, as a loss."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from advent_dist.config.methods.detection import (
    DetectorAdventMinEntConfig,
    DetectorMinEntConfig,
)
from advent_dist.losses import highest
from advent_dist.methods.detection.distributions import information
from advent_dist.methods.detection.levels import chosen_levels
from advent_dist.models.detection.output import DetectorOutput
from advent_dist.models.detector import Detector


@final
class AnchorEntropy:
    """Mean normalised entropy of the anchors of the chosen maps (ADVENT, eq. 2).

    Args:
        config: of the method.
        detector: whose anchors they are.
    """

    def __init__(
        self, config: DetectorMinEntConfig | DetectorAdventMinEntConfig, detector: Detector
    ) -> None:
        self._config = config
        self._levels = chosen_levels(config, detector.levels)

    def __call__(self, output: DetectorOutput) -> Tensor:
        """A 0-d tensor in [0, 1]."""
        logits = torch.cat([output.logits_of(level) for level in self._levels], 1)
        entropy = information(logits, self._config.background).sum(1).flatten(1)
        share = self._config.entropy_range
        return (entropy if share is None else highest(entropy, share)).mean()
