"""The adversarial half of ADVENT (section 3.2), one discriminator a level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from torch import Tensor

from advent_dist.losses import Domain, domain_loss, self_information
from advent_dist.methods.levels import AUX, MAIN, levels
from advent_dist.models.segmenter import SegmenterOutput
from advent_dist.parallel.engine import Engine


@final
class Adversary:
    """The discriminators that tell source from target by self-information maps."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        names = {level: f"discriminator{level}" for level in (MAIN, AUX)}
        self.engines = {level: engines[name] for level, name in names.items() if name in engines}

    def fooling_losses(self, target: SegmenterOutput) -> dict[str, Tensor]:
        """How far each head's target maps are from passing for source (eq. 7); D stays constant."""
        losses = {}
        for level, logits in levels(target):
            with self.engines[level].frozen() as discriminator:
                verdict = discriminator(self_information(logits.softmax(1)))
                losses[f"adv{level}"] = domain_loss(verdict, Domain.SOURCE)
        return losses

    def learn(self, source: SegmenterOutput, target: SegmenterOutput) -> dict[str, Tensor]:
        """Train each discriminator on both domains' detached maps (eq. 6).

        Returns:
            Its two half losses.
        """
        losses = {}
        for (level, of_source), (_, of_target) in zip(levels(source), levels(target), strict=True):
            engine = self.engines[level]
            halves = {
                domain: domain_loss(engine(self_information(logits.detach().softmax(1))), domain)
                / 2
                for domain, logits in ((Domain.SOURCE, of_source), (Domain.TARGET, of_target))
            }
            engine.backward(halves[Domain.SOURCE] + halves[Domain.TARGET])
            engine.step()
            losses[f"discriminator{level}_source"] = halves[Domain.SOURCE]
            losses[f"discriminator{level}_target"] = halves[Domain.TARGET]
        return losses
