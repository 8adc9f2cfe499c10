"""AdvEnt of a detector: adversarial entropy minimisation (ADVENT, sections 3.2 and 4.4)."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config.methods.detection import DetectorAdventConfig
from advent_dist.methods.detection.adapted import detector_of
from advent_dist.methods.detection.adversary import MapAdversary
from advent_dist.methods.detection.source import fit_source
from advent_dist.methods.levels import logged, weighted
from advent_dist.methods.parts import Need, Parts
from advent_dist.types import BoxBatch, Metrics


@final
class DetectorAdvent:
    """SSD's loss on the source; target maps that discriminators take for those of the source."""

    needs: ClassVar[frozenset[Need]] = frozenset({"discriminators"})

    def __init__(self, config: DetectorAdventConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.detector = parts.engines["detector"]
        self.adversary = MapAdversary(parts.engines, config, detector_of(parts, config))

    def step(self, batch: BoxBatch) -> Metrics:
        """Detector first, then the discriminators on the maps from before its update."""
        source, losses = fit_source(self.detector, batch, self.config, more=True)
        target = self.detector(batch.target_image)
        fooling = {"adv": self.adversary.fooling_loss(target)}
        self.detector.backward(weighted(fooling, self.config))
        self.detector.step()
        return logged(losses | fooling | self.adversary.learn(source, target))
