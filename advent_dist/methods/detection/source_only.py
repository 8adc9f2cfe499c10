"""Supervised training of a detector on the source alone."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config.methods.detection import DetectorSourceOnlyConfig
from advent_dist.methods.detection.source import fit_source
from advent_dist.methods.levels import logged
from advent_dist.methods.parts import Need, Parts
from advent_dist.types import BoxBatch, Metrics


@final
class DetectorSourceOnly:
    """The baseline of adaptation and, with target images that have boxes as source, the oracle."""

    needs: ClassVar[frozenset[Need]] = frozenset()

    def __init__(self, config: DetectorSourceOnlyConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.detector = parts.engines["detector"]

    def step(self, batch: BoxBatch) -> Metrics:
        """Fit the source's boxes."""
        losses = fit_source(self.detector, batch, self.config, more=False)[1]
        self.detector.step()
        return logged(losses)
