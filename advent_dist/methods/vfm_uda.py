"""VFM-UDA: self-training of a vision foundation model (Englert et al., arXiv 2406.09896)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

from advent_dist.augmentation.weak import weakly_augmented
from advent_dist.config import VFMUDAConfig
from advent_dist.methods.levels import logged
from advent_dist.methods.masked import Masked
from advent_dist.methods.mean_teacher import MeanTeacher
from advent_dist.methods.mixed import Mixed
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.types import DomainBatch, Metrics


@final
class VFMUDA:
    """Cross entropy on the source, on mixed and on masked images; no feature distance.

    The teacher's labels are of images and their mirror images together. It follows before the step,
    which gives the teachers of the published code, where it follows after it.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"teacher"})

    def __init__(self, config: VFMUDAConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.source = Source(config, parts)
        self.teacher = MeanTeacher(config, parts)
        self.mixed = Mixed(config, parts)
        self.masked = Masked(config, self.segmenter)

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels, mixed ones, and those of masked images."""
        self.teacher.follow()
        weak = self.config.weak_probability
        source = replace(batch, source_image=weakly_augmented(batch.source_image, weak))
        losses = self.source.fit(source, more=True)[1]
        pseudo = self.teacher.label(batch.target_image, mirrored=True)
        target = replace(batch, target_image=weakly_augmented(batch.target_image, weak))
        losses |= self.mixed.fit(target, pseudo, more=True)
        losses |= self.masked.fit(batch, pseudo, more=False)
        self.segmenter.step()
        return {**logged(losses), "sure_share": pseudo.sure}
