"""MinEnt: direct entropy minimisation (ADVENT, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from torch import Tensor

from advent_dist.config import MinEntConfig
from advent_dist.losses import class_prior_loss, entropy_loss
from advent_dist.methods.levels import levels, logged, supervised_losses, weighted
from advent_dist.parallel.engine import Engine
from advent_dist.types import DomainBatch, Metrics


@final
class MinEnt:
    """Cross entropy on the source plus the entropy of the predictions on the target."""

    adversarial: ClassVar[bool] = False

    def __init__(
        self, config: MinEntConfig, engines: Mapping[str, Engine], source_prior: Tensor
    ) -> None:
        self.config = config
        self.engines = engines
        self.segmenter = engines["segmenter"]
        self.source_prior = source_prior

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels; make the target predictions certain."""
        source, target = self.segmenter(batch.source_image), self.segmenter(batch.target_image)
        losses = supervised_losses(source, batch.source_label)
        for level, logits in levels(target):
            losses[f"ent{level}"] = entropy_loss(logits.softmax(1), self.config.entropy_range)
        if self.config.lambda_prior:
            losses["prior"] = class_prior_loss(
                target.main.softmax(1), self.source_prior, self.config.prior_mu
            )
        self.segmenter.backward(weighted(losses, self.config))
        self.segmenter.step()
        return logged(losses)
