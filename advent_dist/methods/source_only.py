"""Supervised training on the source alone."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config import SourceOnlyConfig
from advent_dist.methods.levels import logged
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.types import DomainBatch, Metrics


@final
class SourceOnly:
    """The baseline of adaptation and, with labelled target images as its source, the oracle."""

    needs: ClassVar[frozenset[Need]] = frozenset()

    def __init__(self, config: SourceOnlyConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.source = Source(config, parts)

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels."""
        _, losses = self.source.fit(batch, more=False)
        self.segmenter.step()
        return logged(losses)
