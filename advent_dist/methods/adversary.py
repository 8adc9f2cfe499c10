"""The adversarial half of ADVENT (section 3.2) and AdaptSegNet, one discriminator a level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

from torch import Tensor

from advent_dist.config import AdventConfig, AdventMinEntConfig
from advent_dist.losses import (
    Domain,
    domain_loss,
    least_squares_domain_loss,
    self_information,
)
from advent_dist.methods.levels import AUX, MAIN, levels
from advent_dist.models.segmenter import SegmenterOutput
from advent_dist.parallel.engine import Engine

_MAPS: dict[str, Callable[[Tensor], Tensor]] = {
    "self_information": lambda logits: self_information(logits.softmax(1)),
    "probabilities": lambda logits: logits.softmax(1),
}
_LOSSES = {"vanilla": domain_loss, "least_squares": least_squares_domain_loss}


@final
class Adversary:
    """The discriminators that tell source from target by what is made of the logits.

    Args:
        engines: by name; those of the discriminators are taken.
        config: says what they see, and by which loss they learn.
    """

    def __init__(
        self, engines: Mapping[str, Engine], config: AdventConfig | AdventMinEntConfig
    ) -> None:
        self.maps = _MAPS[config.adversary_sees]
        self.loss = _LOSSES[config.gan_loss]
        names = {level: f"discriminator{level}" for level in (MAIN, AUX)}
        self.engines = {level: engines[name] for level, name in names.items() if name in engines}

    def fooling_losses(self, target: SegmenterOutput) -> dict[str, Tensor]:
        """How far each head's target maps are from passing for source (eq. 7); D stays constant."""
        losses = {}
        for level, logits in levels(target):
            with self.engines[level].frozen() as discriminator:
                losses[f"adv{level}"] = self.loss(discriminator(self.maps(logits)), Domain.SOURCE)
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
                domain: self.loss(engine(self.maps(logits.detach())), domain) / 2
                for domain, logits in ((Domain.SOURCE, of_source), (Domain.TARGET, of_target))
            }
            engine.backward(halves[Domain.SOURCE] + halves[Domain.TARGET])
            engine.step()
            losses[f"discriminator{level}_source"] = halves[Domain.SOURCE]
            losses[f"discriminator{level}_target"] = halves[Domain.TARGET]
        return losses
