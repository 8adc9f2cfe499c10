"""The discriminators of a detector's maps, one for each that is adapted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

import torch
from torch import Tensor

from advent_dist.config.methods.detection import DetectorAdversarialConfig
from advent_dist.losses import Domain, domain_loss, least_squares_domain_loss
from advent_dist.methods.detection.distributions import as_map, information, probabilities
from advent_dist.methods.detection.levels import chosen_levels
from advent_dist.models.detection.discriminator import MapDiscriminator
from advent_dist.models.detection.output import DetectorOutput, Level
from advent_dist.models.detector import Detector
from advent_dist.parallel.engine import Engine

_SEEN: dict[str, Callable[[Tensor, str], Tensor]] = {
    "self_information": information,
    "probabilities": probabilities,
}
_LOSSES = {"vanilla": domain_loss, "least_squares": least_squares_domain_loss}


def discriminators_of(
    config: DetectorAdversarialConfig, detector: Detector, width: int
) -> dict[str, MapDiscriminator]:
    """The discriminators that a method needs, by the names of their engines.

    Args:
        config: the method's.
        detector: whose maps they tell the domains by.
        width: channels of the first layer of each.

    Raises:
        ConfigError: the detector has no such map.
    """
    classes = detector.num_classes + (config.background == "class")
    networks = {}
    for place in chosen_levels(config, detector.levels):
        level = detector.levels[place]
        channels = level.anchors_per_cell * classes
        networks[name_of(place)] = MapDiscriminator(channels, level.height, level.width, width)
    return networks


def name_of(level: int) -> str:
    """The name of the engine that a map's discriminator is."""
    return f"discriminator{level}"


@final
class MapAdversary:
    """Discriminators that tell source from target by what is made of the class logits.

    Args:
        engines: by name; those of the discriminators are taken.
        config: says what they see, and by which loss they learn.
        detector: whose maps they are.
    """

    def __init__(
        self, engines: Mapping[str, Engine], config: DetectorAdversarialConfig, detector: Detector
    ) -> None:
        self._background = config.background
        self._seen = _SEEN[config.adversary_sees]
        self._loss = _LOSSES[config.gan_loss]
        chosen = chosen_levels(config, detector.levels)
        self._engines = {level: engines[name_of(level)] for level in chosen}

    def fooling_loss(self, target: DetectorOutput) -> Tensor:
        """How far the target's maps are from passing for source (eq. 7); D stays constant.

        Returns:
            The mean of the maps' losses.
        """
        losses = []
        for level, engine in self._engines.items():
            with engine.frozen() as discriminator:
                seen = self._map(target.logits_of(level), target.levels[level])
                losses.append(self._loss(discriminator(seen), Domain.SOURCE))
        return torch.stack(losses).mean()

    def learn(self, source: DetectorOutput, target: DetectorOutput) -> dict[str, Tensor]:
        """Train each discriminator on both domains' detached maps (eq. 6).

        Returns:
            Its two half losses.
        """
        losses = {}
        for level, engine in self._engines.items():
            halves = {}
            for domain, output in ((Domain.SOURCE, source), (Domain.TARGET, target)):
                seen = self._map(output.logits_of(level).detach(), output.levels[level])
                halves[domain] = self._loss(engine(seen), domain) / 2
            engine.backward(halves[Domain.SOURCE] + halves[Domain.TARGET])
            engine.step()
            losses[f"{name_of(level)}_source"] = halves[Domain.SOURCE]
            losses[f"{name_of(level)}_target"] = halves[Domain.TARGET]
        return losses

    def _map(self, logits: Tensor, level: Level) -> Tensor:
        return as_map(self._seen(logits, self._background), level)
