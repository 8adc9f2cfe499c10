"""The detector that a method adapts."""

from __future__ import annotations

from advent_dist.config.methods.detection import DetectorAdaptationConfig
from advent_dist.config.require import require
from advent_dist.methods.parts import Parts
from advent_dist.models.detector import Detector


def detector_of(parts: Parts, config: DetectorAdaptationConfig) -> Detector:
    """The network inside the engine.

    Raises:
        ConfigError: it has one class, and distributions over one class alone are all the same.
    """
    detector = parts.engines["detector"].module
    assert isinstance(detector, Detector)
    require_classes(config, detector.num_classes)
    return detector


def require_classes(config: DetectorAdaptationConfig, num_classes: int) -> None:
    """Refuse distributions over one class.

    Raises:
        ConfigError: they are all the same.
    """
    background = config.background
    fix = "there is one class, of which all distributions are the same; set it to class"
    fits = background != "renormalised" or num_classes > 1
    require(fits, "method.background", background, fix)
