"""AdvEnt and MinEnt in one training: adversarial alignment plus a direct entropy term."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config import AdventMinEntConfig
from advent_dist.losses import entropy_loss
from advent_dist.methods.adversary import Adversary
from advent_dist.methods.levels import levels, logged, weighted
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.types import DomainBatch, Metrics


@final
class AdventMinEnt:
    """AdvEnt's step with the target entropy added to the segmenter's loss.

    The paper's "AdvEnt+MinEnt" row is something else: the ensemble of two models trained apart (see
    `evaluate`).
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"discriminators"})

    def __init__(self, config: AdventMinEntConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.source = Source(config, parts)
        self.adversary = Adversary(parts.engines, config)

    def step(self, batch: DomainBatch) -> Metrics:
        """Segmenter first, then the discriminators on the maps from before its update."""
        source, losses = self.source.fit(batch, more=True)
        target = self.segmenter(batch.target_image)
        on_target = self.adversary.fooling_losses(target)
        for level, logits in levels(target):
            on_target[f"ent{level}"] = entropy_loss(logits.softmax(1))
        self.segmenter.backward(weighted(on_target, self.config))
        self.segmenter.step()
        return logged(losses | on_target | self.adversary.learn(source, target))
