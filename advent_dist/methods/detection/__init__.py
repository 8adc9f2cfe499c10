"""The methods that adapt a detector; each learns from a `BoxBatch`."""

from __future__ import annotations

from advent_dist.methods.base import MethodClass
from advent_dist.methods.detection.advent import DetectorAdvent
from advent_dist.methods.detection.advent_minent import DetectorAdventMinEnt
from advent_dist.methods.detection.minent import DetectorMinEnt
from advent_dist.methods.detection.source_only import DetectorSourceOnly

DETECTION_METHODS: dict[str, MethodClass] = {
    "detector_source_only": DetectorSourceOnly,
    "detector_minent": DetectorMinEnt,
    "detector_advent": DetectorAdvent,
    "detector_advent_minent": DetectorAdventMinEnt,
}
"""Name in the config -> class; each takes (config, parts)."""

__all__ = ["DETECTION_METHODS"]
