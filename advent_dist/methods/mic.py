"""MIC: masked image consistency (Hoyer et al., arXiv 2212.01322), on DAFormer and on DACS."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config import MICConfig, MICDACSConfig
from advent_dist.methods.held_source import HeldSource
from advent_dist.methods.levels import logged
from advent_dist.methods.masked import Masked
from advent_dist.methods.mean_teacher import MeanTeacher
from advent_dist.methods.mixed import Mixed
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.types import DomainBatch, Metrics


@final
class MIC:
    """DAFormer's terms and cross entropy on masked target images."""

    needs: ClassVar[frozenset[Need]] = frozenset({"teacher", "initial"})

    def __init__(self, config: MICConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.teacher = MeanTeacher(config, parts)
        self.source = HeldSource(config, parts)
        self.mixed = Mixed(config, parts)
        self.masked = Masked(config, self.segmenter)

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels, mixed ones, and those of masked images."""
        self.teacher.follow()
        losses = self.source.fit(batch)
        pseudo = self.teacher.label(batch.target_image)
        losses |= self.mixed.fit(batch, pseudo, more=True)
        losses |= self.masked.fit(batch, pseudo, more=False)
        self.segmenter.step()
        return {**logged(losses), "sure_share": pseudo.sure}


@final
class MICDACS:
    """DACS' terms and cross entropy on masked target images."""

    needs: ClassVar[frozenset[Need]] = frozenset({"teacher"})

    def __init__(self, config: MICDACSConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.teacher = MeanTeacher(config, parts)
        self.source = Source(config, parts)
        self.mixed = Mixed(config, parts)
        self.masked = Masked(config, self.segmenter)

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels, mixed ones, and those of masked images."""
        losses = self.source.fit(batch, more=True)[1]
        pseudo = self.teacher.label(batch.target_image)
        losses |= self.mixed.fit(batch, pseudo, more=True)
        losses |= self.masked.fit(batch, pseudo, more=False)
        self.segmenter.step()
        self.teacher.follow()
        return {**logged(losses), "sure_share": pseudo.sure}
