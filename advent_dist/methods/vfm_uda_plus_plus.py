"""VFM-UDA++: VFM-UDA near a larger frozen encoder (Englert et al., arXiv 2503.10685)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

from advent_dist.augmentation.vivid import vividly_augmented
from advent_dist.augmentation.weak import weakly_augmented
from advent_dist.config import VFMUDAPlusPlusConfig
from advent_dist.methods.distillation import Distillation
from advent_dist.methods.levels import logged
from advent_dist.methods.masked import Masked
from advent_dist.methods.mean_teacher import MeanTeacher
from advent_dist.methods.mixed import Mixed
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.types import DomainBatch, Metrics


@final
class VFMUDAPlusPlus:
    """Cross entropy on the source, distillation on both domains, mixed and masked images.

    Published with the distillation last. Here the last pass, as the first, goes through all of the
    segmenter: ZeRO shares out gradients in the last one, and begins anew in the first.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"teacher", "extractor"})

    def __init__(self, config: VFMUDAPlusPlusConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.source = Source(config, parts)
        self.teacher = MeanTeacher(config, parts)
        self.distillation = Distillation(config, parts)
        self.mixed = Mixed(config, parts)
        self.masked = Masked(config, self.segmenter)

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels, features of both domains, mixed labels, and masked images."""
        self.teacher.follow()
        vivid = vividly_augmented(batch.source_image, self.config.vivid_probability)
        source = replace(batch, source_image=vivid)
        losses = self.source.fit(source, more=True)[1]
        losses |= self.distillation.fit("source", batch.source_image, last=False)
        losses |= self.distillation.fit("target", batch.target_image, last=True)
        pseudo = self.teacher.label(batch.target_image, mirrored=True)
        weak = weakly_augmented(batch.target_image, self.config.weak_probability)
        losses |= self.mixed.fit(replace(batch, target_image=weak), pseudo, more=True)
        losses |= self.masked.fit(batch, pseudo, more=False)
        self.segmenter.step()
        self.distillation.step()
        return {**logged(losses), "sure_share": pseudo.sure}
