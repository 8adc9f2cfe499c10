"""AdvEnt and MinEnt of a detector in one training."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config.methods.detection import DetectorAdventMinEntConfig
from advent_dist.methods.detection.adapted import detector_of
from advent_dist.methods.detection.adversary import MapAdversary
from advent_dist.methods.detection.entropy import AnchorEntropy
from advent_dist.methods.detection.source import fit_source
from advent_dist.methods.levels import logged, weighted
from advent_dist.methods.parts import Need, Parts
from advent_dist.types import BoxBatch, Metrics


@final
class DetectorAdventMinEnt:
    """AdvEnt's step with the target entropy added to the detector's loss."""

    needs: ClassVar[frozenset[Need]] = frozenset({"discriminators"})

    def __init__(self, config: DetectorAdventMinEntConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.detector = parts.engines["detector"]
        detector = detector_of(parts, config)
        self.adversary = MapAdversary(parts.engines, config, detector)
        self.entropy = AnchorEntropy(config, detector)

    def step(self, batch: BoxBatch) -> Metrics:
        """Detector first, then the discriminators on the maps from before its update."""
        source, losses = fit_source(self.detector, batch, self.config, more=True)
        target = self.detector(batch.target_image)
        on_target = {"adv": self.adversary.fooling_loss(target), "ent": self.entropy(target)}
        self.detector.backward(weighted(on_target, self.config))
        self.detector.step()
        return logged(losses | on_target | self.adversary.learn(source, target))
