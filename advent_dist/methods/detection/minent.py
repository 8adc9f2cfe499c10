"""MinEnt of a detector: direct entropy minimisation (ADVENT, sections 3.1 and 4.4)."""

from __future__ import annotations

from typing import ClassVar, final

from advent_dist.config.methods.detection import DetectorMinEntConfig
from advent_dist.methods.detection.adapted import detector_of
from advent_dist.methods.detection.entropy import AnchorEntropy
from advent_dist.methods.detection.source import fit_source
from advent_dist.methods.levels import logged, weighted
from advent_dist.methods.parts import Need, Parts
from advent_dist.types import BoxBatch, Metrics


@final
class DetectorMinEnt:
    """SSD's loss on the source plus the entropy of the class distributions on the target."""

    needs: ClassVar[frozenset[Need]] = frozenset()

    def __init__(self, config: DetectorMinEntConfig, parts: Parts) -> None:
        self.config = config
        self.engines, self.kept = parts.engines, parts.kept
        self.detector = parts.engines["detector"]
        self.entropy = AnchorEntropy(config, detector_of(parts, config))

    def step(self, batch: BoxBatch) -> Metrics:
        """Fit the source's boxes; make the target's classes certain."""
        # Without its output, which would take room for as long as it has a name.
        losses = fit_source(self.detector, batch, self.config, more=True)[1]
        target = self.detector(batch.target_image)
        on_target = {"ent": self.entropy(target)}
        self.detector.backward(weighted(on_target, self.config))
        self.detector.step()
        return logged(losses | on_target)
