"""The looks of a street: rendered, or taken by a camera by day, at dusk, in fog, in rain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shards.streets import materials

Range = tuple[float, float]
"""Bounds of a value that is drawn anew for each image."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The appearance of a domain."""

    colours: NDArray[np.float32]
    """float32 [materials, tones, 3]: which colours surfaces have."""

    texture: float
    """Factor on the materials' roughness."""

    zenith: str
    """Colour of the sky overhead, hex RGB."""

    haze: str
    """Colour of the sky at the horizon and of fog, hex RGB."""

    clouds: float = 0.0
    """Amplitude of the clouds."""

    exposure: Range = (1.0, 1.0)
    """Factor on the light."""

    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factors on red, green and blue."""

    sun: float = 0.15
    """Difference in light between surfaces that look to the sun and those that look away."""

    fog: Range = (0.0, 0.0)
    """Extinction per metre."""

    lights: float = 0.25
    """Strength of lamps, headlights, signals and lit windows, in 0..1."""

    wetness: float = 0.0
    """Share of the ground's light that is a reflection, in 0..1."""

    streaks: int = 0
    """Rain streaks per 10,000 pixels."""

    blur: Range = (0.0, 0.0)
    """Radius of the lens blur in pixels of a 320 pixel wide image."""

    noise: Range = (0.0, 0.0)
    """Standard deviation of the sensor noise, of 255."""


LOOKS = {
    "clean": Look(
        colours=materials.RENDERED,
        texture=0.2,
        zenith="3c8cf0",
        haze="a8d4ff",
        exposure=(0.95, 1.05),
        lights=0.0,
    ),
    "day": Look(
        colours=materials.REAL,
        texture=1.0,
        zenith="9fb3c4",
        haze="dfe3e2",
        clouds=0.12,
        exposure=(0.85, 1.25),
        cast=(1.02, 1.0, 0.93),
        sun=0.35,
        fog=(0.001, 0.003),
        lights=0.15,
        blur=(0.3, 0.6),
        noise=(2.0, 5.0),
    ),
    "dusk": Look(
        colours=materials.REAL,
        texture=1.0,
        zenith="343b5c",
        haze="c98f72",
        clouds=0.2,
        exposure=(0.42, 0.7),
        cast=(1.05, 0.92, 1.02),
        sun=0.15,
        fog=(0.001, 0.003),
        lights=0.9,
        blur=(0.4, 0.8),
        noise=(4.0, 9.0),
    ),
    "fog": Look(
        colours=materials.REAL,
        texture=0.9,
        zenith="b5babb",
        haze="c6c9c8",
        clouds=0.03,
        exposure=(0.85, 1.1),
        cast=(0.98, 1.0, 1.02),
        sun=0.05,
        fog=(0.015, 0.045),
        blur=(0.5, 1.0),
        noise=(2.0, 5.0),
    ),
    "rain": Look(
        colours=materials.REAL,
        texture=1.0,
        zenith="7d868c",
        haze="a9b0b2",
        clouds=0.12,
        exposure=(0.6, 0.85),
        cast=(0.93, 1.0, 1.06),
        sun=0.05,
        fog=(0.005, 0.012),
        lights=0.5,
        wetness=0.45,
        streaks=45,
        blur=(0.6, 1.1),
        noise=(3.0, 6.0),
    ),
}
"""Look -> its settings; `clean` is meant for the source domain, the others for targets."""
