"""HRDA: DAFormer in two resolutions (Hoyer et al., arXiv 2204.13132), and MIC on it.

The network looks twice (`models/hrda.py`), and each cross entropy is also that of the detail. The
feature distance is of the context's features.
"""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config import HRDAConfig, MICHRDAConfig
from advent_dist.methods.held_source import HeldSource
from advent_dist.methods.levels import logged
from advent_dist.methods.masked import Masked
from advent_dist.methods.mean_teacher import MeanTeacher
from advent_dist.methods.mixed import Mixed
from advent_dist.methods.parts import Need, Parts
from advent_dist.types import DomainBatch, Metrics


@final
class HRDA:
    """DAFormer's terms; the teacher labels images in overlapping windows of detail."""

    needs: ClassVar[frozenset[Need]] = frozenset({"teacher", "initial"})

    def __init__(self, config: HRDAConfig, parts: Parts) -> None:
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


@final
class MICHRDA:
    """The same, and cross entropy on masked target images."""

    needs: ClassVar[frozenset[Need]] = frozenset({"teacher", "initial"})

    def __init__(self, config: MICHRDAConfig, parts: Parts) -> None:
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
