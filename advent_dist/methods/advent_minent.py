"""AdvEnt and MinEnt in one training: adversarial alignment plus a direct entropy term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from torch import Tensor

from advent_dist.config import AdventMinEntConfig
from advent_dist.losses import entropy_loss
from advent_dist.methods.adversary import Adversary
from advent_dist.methods.levels import levels, logged, supervised_losses, weighted
from advent_dist.parallel.engine import Engine
from advent_dist.types import DomainBatch, Metrics


@final
class AdventMinEnt:
    """AdvEnt's step with the target entropy added to the segmenter's loss.

    The paper's "AdvEnt+MinEnt" row is something else: the ensemble of two models trained apart (see
    `evaluate`).
    """

    adversarial: ClassVar[bool] = True

    def __init__(
        self, config: AdventMinEntConfig, engines: Mapping[str, Engine], source_prior: Tensor
    ) -> None:
        self.config = config
        self.engines = engines
        self.segmenter = engines["segmenter"]
        self.adversary = Adversary(engines)

    def step(self, batch: DomainBatch) -> Metrics:
        """Segmenter first, then the discriminators on the maps from before its update."""
        source, target = self.segmenter(batch.source_image), self.segmenter(batch.target_image)
        losses = supervised_losses(source, batch.source_label)
        for level, logits in levels(target):
            losses[f"ent{level}"] = entropy_loss(logits.softmax(1))
        losses |= self.adversary.fooling_losses(target)
        self.segmenter.backward(weighted(losses, self.config))
        self.segmenter.step()
        return logged(losses | self.adversary.learn(source, target))
