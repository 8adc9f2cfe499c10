"""DACS: cross-domain mixing with a mean teacher (Tranheden et al., arXiv 2007.08702)."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config import DACSConfig
from advent_dist.methods.levels import logged
from advent_dist.methods.mean_teacher import MeanTeacher
from advent_dist.methods.mixed import Mixed
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.types import DomainBatch, Metrics


@final
class DACS:
    """Cross entropy on the source and on mixed images; the teacher follows after the step."""

    needs: ClassVar[frozenset[Need]] = frozenset({"teacher"})

    def __init__(self, config: DACSConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.source = Source(config, parts)
        self.teacher = MeanTeacher(config, parts)
        self.mixed = Mixed(config, parts)

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels, then mixed ones."""
        losses = self.source.fit(batch, more=True)[1]
        pseudo = self.teacher.label(batch.target_image)
        losses |= self.mixed.fit(batch, pseudo, more=False)
        self.segmenter.step()
        self.teacher.follow()
        return {**logged(losses), "sure_share": pseudo.sure}
