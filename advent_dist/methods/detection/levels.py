"""Which of a detector's maps are adapted."""

from __future__ import annotations

from collections.abc import Sequence

from advent_dist.config.methods.detection import DetectorAdaptationConfig
from advent_dist.errors import ConfigError
from advent_dist.models.detection.output import Level

LARGE_ENOUGH = 4
"""Cells a side; together, the smaller ones of SSD-300 have 40 of its 8732 anchors."""


def chosen_levels(config: DetectorAdaptationConfig, levels: Sequence[Level]) -> tuple[int, ...]:
    """The places of the maps that a method adapts.

    Args:
        config: the method's.
        levels: the detector's maps.

    Raises:
        ConfigError: there is no such map.
    """
    if config.levels is None:
        sides = [min(level.height, level.width) for level in levels]
        return tuple(place for place, side in enumerate(sides) if side >= LARGE_ENOUGH)
    if max(config.levels) >= len(levels):
        raise ConfigError(
            f"method.levels = {config.levels!r}: the detector has {len(levels)} maps; name those "
            f"from 0 to {len(levels) - 1}"
        )
    return config.levels
