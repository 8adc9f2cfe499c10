"""What the parts of a street are made of, and how each material looks rendered and photographed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colours = tuple[str, ...]
"""One or more colours as hex RGB; a part's tone chooses among them."""


@dataclass(frozen=True)
class Material:
    """One material's colours in a renderer and in a camera."""

    name: str
    """Name by which parts refer to it."""

    rendered: Colours
    """Flat, saturated colours of a renderer; a part takes exactly one."""

    real: Colours
    """Colours of a photograph; a part takes a blend of two neighbours."""

    roughness: float = 0.1
    """Relative amplitude of the texture."""

    glow: str | None = None
    """Colour of its light where a part is lit."""


_PAINT = ("d02020", "2040d0", "f0f0f0", "e0b020", "202830", "20a050")
_REAL_PAINT = ("16181b", "70757a", "9fa4a6", "d8d8d4", "7a1f1d", "23344f", "2b2d2f", "b8bab9")
_CLOTH = ("e03030", "3050e0", "f0e040", "30b040", "a030b0", "f0f0f0")
_REAL_CLOTH = ("1c1d22", "3b4252", "6d2f2c", "8a8378", "22303f", "b5aea0", "4c5340")

MATERIALS = (
    Material("sky", ("4d9df0",), ("b8c4cf",), 0.0),
    Material("asphalt", ("505058", "5a5a60"), ("57564f", "6f6d68", "63625f"), 0.20),
    Material("marking", ("f4f4f4",), ("a8a69c", "c9c8bf"), 0.22),
    Material("paving", ("b09a98", "b8a0a8"), ("79746c", "8f8a80", "857b70"), 0.22),
    Material("kerb", ("d0d0d0",), ("8d8a83", "a5a197"), 0.2),
    Material("grass", ("58c038", "68cc40"), ("5f6b34", "4b5a2b", "7a7548"), 0.35),
    Material(
        "leaves", ("208030", "2c9038", "189028"), ("2c3a1c", "42512a", "555f30", "39442a"), 0.5
    ),
    Material("bark", ("805028",), ("40382f", "544a3e"), 0.35),
    Material("hill", ("3c7848", "4a8a50"), ("4c5845", "5a6450"), 0.25),
    Material(
        "plaster",
        ("e8c890", "d8a878", "c8c8d0", "e0b0a0", "b8d0c0"),
        ("b3a791", "9a9184", "c2b8a6", "8c7f70", "a9a49c", "7f7a74"),
        0.16,
    ),
    Material("brick", ("b05038", "c06848"), ("6b4437", "7d5a4a", "5c4a42"), 0.28),
    Material(
        "glass", ("3868a8", "4878b8"), ("2a2f33", "4b545b", "3a4046", "6d777d"), 0.12, "ffc878"
    ),
    Material("door", ("603820", "204080"), ("3a2d25", "2d3338"), 0.2),
    Material("roof", ("a03828", "604848"), ("54413a", "46464a"), 0.25),
    Material("concrete", ("a8a8b8", "9c9cb0"), ("7f7c76", "949089", "6d6a66"), 0.28),
    Material("rails", ("c89860", "e8e8e8"), ("5b5044", "4a4d4f", "716a60"), 0.25),
    Material("steel", ("888890", "a0a0a8"), ("4d5052", "6b6e6f", "3c3f41"), 0.12),
    Material("housing", ("202020",), ("25272a", "1d2427"), 0.1),
    Material("red_light", ("ff2020",), ("c8342a",), 0.0, "ff3020"),
    Material("amber_light", ("ffb010",), ("d99a2b",), 0.0, "ffa020"),
    Material("green_light", ("20ff60",), ("3fae6a",), 0.0, "30ff90"),
    Material(
        "sign",
        ("2050e0", "e02020", "f8d820", "f8f8f8"),
        ("27457f", "a8332f", "b99b35", "c5c6c2"),
        0.12,
    ),
    Material("emblem", ("ffffff",), ("c9cac6", "dcdcd8"), 0.1),
    Material("paint", _PAINT, _REAL_PAINT, 0.1),
    Material(
        "tarpaulin", ("f0f0f0", "f09030", "40a0c0"), ("a9a79f", "7f8a8f", "8a4a35", "c5c2b8"), 0.16
    ),
    Material("bus_paint", ("f0c020", "e04040"), ("b3963d", "93322c", "c4c2ba", "3f6a55"), 0.12),
    Material("tram_paint", ("e03848", "38b0a0"), ("8f2f30", "b5b0a0", "c9bf95", "3c5c74"), 0.12),
    Material("tyre", ("181818",), ("17181a", "222325"), 0.1),
    Material("windscreen", ("304860",), ("1d2226", "333b41", "525b61"), 0.1),
    Material("headlight", ("fffff0",), ("b9bbb8", "d2d2cc"), 0.0, "fff4d8"),
    Material("taillight", ("ff1010",), ("8a1d1a", "a52a24"), 0.0, "ff2818"),
    Material("plate", ("ffffff",), ("b5b5a8",), 0.05),
    Material("skin", ("f0c0a0", "a06840"), ("a57c64", "6b4a3a", "c09a80"), 0.08),
    Material("cloth", _CLOTH, _REAL_CLOTH, 0.2),
    Material("trousers", ("304080", "404040", "806040"), ("20232b", "33383f", "4d463d"), 0.2),
    Material(
        "frame", ("e02020", "2040d0", "202020"), ("1f2123", "5a2724", "2f4152", "6a6c6c"), 0.1
    ),
    Material("shadow", ("38383e",), ("34332f", "403f3a"), 0.12),
    Material("bin", ("208060",), ("3a4238", "55534c"), 0.2),
)

INDEX = {material.name: i for i, material in enumerate(MATERIALS)}
"""Material name -> its place in `MATERIALS` and in the tables below."""


TONES = 64
"""Steps of a tone in the tables below."""


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(byte / 255 for byte in bytes.fromhex(colour))


def _steps(colours: Colours) -> NDArray[np.float32]:
    # [TONES, 3]: each tone takes exactly one of the colours.
    stops = np.array([_rgb(c) for c in colours], np.float32)
    return stops[np.arange(TONES) * len(stops) // TONES]


def _blends(colours: Colours) -> NDArray[np.float32]:
    # [TONES, 3]: each tone takes a blend of two neighbouring colours.
    stops = np.array([_rgb(c) for c in colours], np.float32)
    places = np.linspace(0, len(stops) - 1, TONES)
    channels = [np.interp(places, np.arange(len(stops)), stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=1).astype(np.float32)


RENDERED = np.stack([_steps(material.rendered) for material in MATERIALS])
"""float32 [materials, TONES, 3] in 0..1: a renderer's colours."""

REAL = np.stack([_blends(material.real) for material in MATERIALS])
"""float32 [materials, TONES, 3] in 0..1: a camera's colours."""

ROUGHNESS = np.array([material.roughness for material in MATERIALS], np.float32)
"""float32 [materials]: relative amplitude of each material's texture."""

GLOW = np.array([_rgb(material.glow or material.real[0]) for material in MATERIALS], np.float32)
"""float32 [materials, 3] in 0..1: colour of each material's light."""
