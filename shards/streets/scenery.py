"""A thing in a scene: something to be drawn when its turn comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from shards.streets.drawing import Drawing


@dataclass(frozen=True)
class Thing:
    """Something upright, drawn after all that is farther away."""

    depth: float
    """Metres, by which things are sorted."""

    draw: Callable[[Drawing, Random], None]
    """Paints it."""
