"""AdvEnt: adversarial entropy minimisation (ADVENT, section 3.2), and AdaptSegNet beside it."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config import AdventConfig
from advent_dist.methods.adversary import Adversary
from advent_dist.methods.levels import logged, weighted
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.types import DomainBatch, Metrics


@final
class Advent:
    """Cross entropy on the source; target maps that discriminators take for those of the source."""

    needs: ClassVar[frozenset[Need]] = frozenset({"discriminators"})

    def __init__(self, config: AdventConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.source = Source(config, parts)
        self.adversary = Adversary(parts.engines, config)

    def step(self, batch: DomainBatch) -> Metrics:
        """Segmenter first, then the discriminators on the maps from before its update."""
        source, losses = self.source.fit(batch, more=True)
        target = self.segmenter(batch.target_image)
        fooling = self.adversary.fooling_losses(target)
        self.segmenter.backward(weighted(fooling, self.config))
        self.segmenter.step()
        return logged(losses | fooling | self.adversary.learn(source, target))
