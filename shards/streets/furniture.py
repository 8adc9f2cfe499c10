"""What stands along a street: lamps, signals, signs, trees, bins."""

from __future__ import annotations

import math
from random import Random

from shards.streets.drawing import Drawing
from shards.streets.labels import POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN, VEGETATION, VOID

_CIRCLE = [(math.cos(math.pi * i / 7), math.sin(math.pi * i / 7)) for i in range(14)]
_CLUMPS = ((0, 0, 1), (-0.45, -0.2, 0.65), (0.45, -0.2, 0.65), (-0.2, 0.4, 0.6), (0.3, 0.35, 0.55))
"""Centre and size of a crown's clumps, relative to its radii."""


def _post(
    drawing: Drawing, x: float, z: float, height: float, thickness: float, tone: float
) -> None:
    half = 0.5 * thickness
    drawing.front((x - half, x + half), (0, height), z, POLE, "steel", tone)


def lamp(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    """A street lamp whose arm reaches over the road."""
    height, tone = rng.uniform(6.0, 7.5), rng.random()
    _post(drawing, x, z, height, 0.2, tone)
    reach = x - math.copysign(1.6, x)
    drawing.line([(x, height, z), (reach, height + 0.25, z)], 0.13, POLE, "steel", tone)
    ends = (min(reach - 0.3, reach + 0.3), max(reach - 0.3, reach + 0.3))
    drawing.front(ends, (height + 0.1, height + 0.3), z, POLE, "headlight", 0.5, 1.0)


def traffic_light(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    """A signal head on a post; one of its three lamps is lit."""
    height = rng.uniform(2.6, 3.6)
    _post(drawing, x, z, height, 0.16, rng.random())
    drawing.front((x - 0.22, x + 0.22), (height - 0.2, height + 0.9), z, TRAFFIC_LIGHT, "housing")
    lit = rng.randrange(3)
    for i, light in enumerate(("red_light", "amber_light", "green_light")):
        centre = (x, height + 0.72 - 0.36 * i, z)
        material, glow = (light, 1.0) if i == lit else ("tyre", 0.0)
        drawing.disc(centre, (0.14, 0.14), TRAFFIC_LIGHT, material, glow=glow)


def sign(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    """A traffic sign on a post: round, triangular or square, with an emblem."""
    height, tone, shape = rng.uniform(2.2, 2.9), rng.random(), rng.randrange(3)
    _post(drawing, x, z, height, 0.1, rng.random())
    r = rng.uniform(0.32, 0.48)
    if shape == 0:
        drawing.disc((x, height, z), (r, r), TRAFFIC_SIGN, "sign", tone)
        drawing.disc((x, height, z), (0.6 * r, 0.6 * r), TRAFFIC_SIGN, "emblem", tone)
    elif shape == 1:
        for scale, material in ((1.1, "sign"), (0.6, "emblem")):
            s = scale * r
            corners = (
                (x - s, height - 0.7 * s, z),
                (x + s, height - 0.7 * s, z),
                (x, height + s, z),
            )
            drawing.polygon(corners, TRAFFIC_SIGN, material, tone)
    else:
        drawing.front((x - r, x + r), (height - r, height + r), z, TRAFFIC_SIGN, "sign", tone)
        inner = 0.55 * r
        drawing.front(
            (x - inner, x + inner),
            (height - 0.2 * r, height + 0.2 * r),
            z,
            TRAFFIC_SIGN,
            "emblem",
            tone,
        )


def crown(
    drawing: Drawing, rng: Random, centre: tuple[float, float, float], radii: tuple[float, float]
) -> None:
    """Foliage: clumps with a ragged outline, lighter ones on top."""
    x, y, z = centre
    a, b = radii
    clumps = _CLUMPS if drawing.camera.pixels(a, z) > 8 else _CLUMPS[:1]
    for dx, dy, size in clumps:
        outline = []
        for cos, sin in _CIRCLE:
            r = size * (0.75 + 0.37 * rng.random())
            outline.append((x + a * (dx + r * cos), y + b * (dy + r * sin), z))
        drawing.polygon(outline, VEGETATION, "leaves", rng.random())


def tree(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    """A trunk (vegetation, too) and a crown."""
    height, half = rng.uniform(1.8, 2.8), rng.uniform(0.1, 0.2)
    drawing.front((x - half, x + half), (0, height + 0.5), z, VEGETATION, "bark", rng.random())
    radius = rng.uniform(1.2, 2.3)
    crown(drawing, rng, (x, height + 0.8 * radius, z), (radius, rng.uniform(0.9, 1.3) * radius))


def bush(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    """Low foliage on the ground."""
    radius = rng.uniform(0.5, 1.0)
    crown(drawing, rng, (x, 0.6 * radius, z), (1.2 * radius, 0.7 * radius))


def bin_(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    """A litter bin, which has no class: its pixels are ignored."""
    drawing.front((x - 0.25, x + 0.25), (0, 1.0), z, VOID, "bin", rng.random())
    drawing.front((x - 0.28, x + 0.28), (0.9, 1.05), z, VOID, "steel", rng.random())
