"""MinEnt: direct entropy minimisation (ADVENT, section 3.1)."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config import MinEntConfig
from advent_dist.losses import class_prior_loss, entropy_loss
from advent_dist.methods.levels import levels, logged, weighted
from advent_dist.methods.parts import Need, Parts
from advent_dist.methods.source import Source
from advent_dist.types import DomainBatch, Metrics


@final
class MinEnt:
    """Cross entropy on the source plus the entropy of the predictions on the target."""

    needs: ClassVar[frozenset[Need]] = frozenset()

    def __init__(self, config: MinEntConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.segmenter = parts.engines["segmenter"]
        self.source = Source(config, parts)
        self.source_prior = parts.source_prior

    def step(self, batch: DomainBatch) -> Metrics:
        """Fit the source labels; make the target predictions certain."""
        # Without its output, which would take room for as long as it has a name.
        losses = self.source.fit(batch, more=True)[1]
        target = self.segmenter(batch.target_image)
        chosen, penalty = self.config.entropy_range, self.config.entropy_penalty
        on_target = {
            f"ent{level}": entropy_loss(logits.softmax(1), chosen, penalty)
            for level, logits in levels(target)
        }
        if self.config.lambda_prior:
            on_target["prior"] = class_prior_loss(
                target.main.softmax(1), self.source_prior, self.config.prior_mu
            )
        self.segmenter.backward(weighted(on_target, self.config))
        self.segmenter.step()
        return logged(losses | on_target)
