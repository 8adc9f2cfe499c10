"""What closes a street at its sides: houses, walls, fences with green behind them.

Frontages are cut into slices along the street, which sort by depth with free-standing things.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from random import Random

from shards.streets.drawing import Drawing, Facing, Point
from shards.streets.furniture import bush, crown
from shards.streets.labels import BUILDING, FENCE, TERRAIN, VEGETATION, WALL
from shards.streets.scenery import Thing

FAR = 130.0
"""Depth in metres at which frontages end."""

_SMALLEST_WINDOW = 1.5
"""Pixels; narrower windows are left out."""


def _house_slice(
    drawing: Drawing,
    rng: Random,
    x: float,
    z: tuple[float, float],
    floors: int,
    wall: str,
    tone: float,
) -> None:
    storey = 3.2
    top = floors * storey + 0.8
    drawing.side(x, (0, top), z, BUILDING, wall, tone)
    drawing.side(x, (top - 0.35, top), z, BUILDING, "roof", tone)
    scale = drawing.camera.pixels(1, z[0]) - drawing.camera.pixels(1, z[1])
    if abs(x) * scale < _SMALLEST_WINDOW:
        return
    length = z[1] - z[0]
    pane = (z[0] + 0.28 * length, z[1] - 0.28 * length)
    if rng.random() < 0.2:
        drawing.side(x, (0, 2.2), pane, BUILDING, "door", rng.random())
    else:
        drawing.side(
            x,
            (0.7, 2.5),
            (z[0] + 0.15 * length, z[1] - 0.15 * length),
            BUILDING,
            "glass",
            rng.random(),
            glow=float(rng.random() < 0.5),
        )
    for floor in range(1, floors):
        sill = floor * storey + 0.7
        lit = float(rng.random() < 0.3)
        drawing.side(x, (sill, sill + 1.6), pane, BUILDING, "glass", rng.random(), glow=lit)


def _gable(drawing: Drawing, x: float, z: float, floors: int, wall: str, tone: float) -> None:
    # The end of a house that faces the camera where the neighbour is lower or missing.
    away = x + math.copysign(12.0, x)
    top = floors * 3.2 + 0.8
    drawing.front((min(x, away), max(x, away)), (0, top), z, BUILDING, wall, tone)


def _house(rng: Random, x: float, z: tuple[float, float]) -> Iterator[Thing]:
    floors, tone = rng.randint(2, 6), rng.random()
    wall = "brick" if rng.random() < 0.35 else "plaster"
    slices = max(1, round((z[1] - z[0]) / 3.0))
    step = (z[1] - z[0]) / slices
    for i in range(slices):
        a, b = z[0] + i * step, z[0] + (i + 1) * step
        draw = partial(_house_slice, x=x, z=(a, b), floors=floors, wall=wall, tone=tone)
        yield Thing(b, draw)
    gable = partial(_gable, x=x, z=z[0], floors=floors, wall=wall, tone=tone)
    yield Thing(z[0] + 0.01, lambda drawing, _: gable(drawing))


def _barrier(
    drawing: Drawing,
    rng: Random,
    x: float,
    z: tuple[float, float],
    kind: str,
    height: float,
    tone: float,
) -> None:
    if kind == "wall":
        drawing.side(x, (0, height), z, WALL, "concrete", tone)
        drawing.side(x, (height - 0.12, height), z, WALL, "kerb", tone)
        return
    # The gaps of a fence belong to it, as in Cityscapes.
    drawing.side(x, (0, height), z, FENCE, "grass", 0.9)
    for rail in (0.25 * height, height - 0.1):
        drawing.side(x, (rail, rail + 0.12), z, FENCE, "rails", tone)
    count = 8
    for i in range(count):
        a = z[0] + (z[1] - z[0]) * i / count
        drawing.side(
            x, (0, height + 0.08), (a, a + 0.35 * (z[1] - z[0]) / count), FENCE, "rails", tone
        )


def _green(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    radius = rng.uniform(2.5, 4.0)
    crown(drawing, rng, (x, rng.uniform(2.0, 4.0), z), (radius, radius))


def _garden(rng: Random, x: float, z: tuple[float, float], kind: str) -> Iterator[Thing]:
    height, tone = rng.uniform(1.1, 2.2), rng.random()
    away = math.copysign(1.0, x)
    for _ in range(max(1, int((z[1] - z[0]) / 3))):
        depth = rng.uniform(z[0] + 0.5, z[1])
        yield Thing(z[1] + 0.5, partial(_green, x=x + away * rng.uniform(4, 9), z=depth))
    if kind == "open":
        depth = rng.uniform(*z)
        yield Thing(depth, partial(bush, x=x + away * 1.5, z=depth))
        return
    slices = max(1, round((z[1] - z[0]) / 3.0))
    step = (z[1] - z[0]) / slices
    for i in range(slices):
        a, b = z[0] + i * step, z[0] + (i + 1) * step
        yield Thing(b, partial(_barrier, x=x, z=(a, b), kind=kind, height=height, tone=tone))


def frontage(rng: Random, x: float) -> Iterator[Thing]:
    """Houses and gardens along the line at `x` metres, from beside the camera to `FAR`."""
    z = 1.0
    while z < FAR:
        end = z + rng.uniform(9, 20)
        kind = rng.choices(("house", "wall", "fence", "open"), (0.58, 0.15, 0.17, 0.10))[0]
        yield from _house(rng, x, (z, end)) if kind == "house" else _garden(rng, x, (z, end), kind)
        z = end


def backdrop(drawing: Drawing, rng: Random) -> None:
    """The end of the street: hills of trees and distant houses."""
    z, x = 180.0, -260.0
    while x < 260:
        width, height = rng.uniform(15, 45), rng.uniform(6, 20)
        if rng.random() < 0.45:
            drawing.front((x, x + width), (0, height), z, BUILDING, "plaster", rng.random())
        else:
            ridge: list[Point] = [(x, 0, z), (x + width, 0, z)]
            ridge += [
                (x + width * (1 - i / 6), height * rng.uniform(0.5, 0.9), z) for i in range(7)
            ]
            drawing.polygon(ridge, VEGETATION, "hill", rng.random())
        x += width
    drawing.polygon(
        ((-400, 0, z), (400, 0, z), (400, 0, 0.6), (-400, 0, 0.6)),
        TERRAIN,
        "grass",
        rng.random(),
        Facing.UP,
    )
