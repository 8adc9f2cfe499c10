"""DAFormer: DACS near the encoder's first features (Hoyer et al., arXiv 2111.14887)."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config import DAFormerConfig
from advent_dist.methods.held_source import HeldSource
from advent_dist.methods.levels import logged
from advent_dist.methods.mean_teacher import MeanTeacher
from advent_dist.methods.mixed import Mixed
from advent_dist.methods.parts import Need, Parts
from advent_dist.types import DomainBatch, Metrics


@final
class DAFormer:
    """Cross entropy and feature distance on the source, cross entropy on mixed images.

    The teacher follows before the step. The paper's sampling of rare classes is the reader's
    (`data.rare_class_temperature`).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"teacher", "initial"})

    def __init__(self, config: DAFormerConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.teacher = MeanTeacher(config, parts)
        self.source = HeldSource(config, parts)
        self.mixed = Mixed(config, parts)

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels, then mixed ones."""
        self.teacher.follow()
        losses = self.source.fit(batch)
        pseudo = self.teacher.label(batch.target_image)
        losses |= self.mixed.fit(batch, pseudo, more=False)
        self.segmenter.step()
        return {**logged(losses), "sure_share": pseudo.sure}
