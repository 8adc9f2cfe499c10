"""People on foot, and two-wheelers with and without a rider."""

from __future__ import annotations

from random import Random

from shards.streets.drawing import Drawing
from shards.streets.labels import BICYCLE, MOTORCYCLE, PERSON, RIDER


def person(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    """Somebody who stands or walks, 1.5 to 1.9 m tall."""
    h = rng.uniform(1.5, 1.9)
    stride = rng.uniform(0.02, 0.2)
    cloth, legs, skin = rng.random(), rng.random(), rng.random()
    for side in (-1, 1):
        foot = x + side * stride
        leg = (
            (x + side * 0.02, 0.5 * h, z),
            (x + side * 0.17, 0.5 * h, z),
            (foot + 0.07, 0, z),
            (foot - 0.07, 0, z),
        )
        drawing.polygon(leg, PERSON, "trousers", legs)
        hand = x + side * (0.26 + 0.4 * stride)
        arm = [(x + side * 0.2, 0.8 * h, z), (hand, 0.48 * h, z)]
        drawing.line(arm, 0.11, PERSON, "cloth", cloth)
    torso = ((-0.2, 0.46), (0.2, 0.46), (0.24, 0.8), (0.1, 0.85), (-0.1, 0.85), (-0.24, 0.8))
    drawing.polygon([(x + a, b * h, z) for a, b in torso], PERSON, "cloth", cloth)
    drawing.disc((x, 0.92 * h, z), (0.1, 0.075 * h), PERSON, "skin", skin)
    drawing.disc((x, 0.96 * h, z), (0.1, 0.045 * h), PERSON, "tyre")


def _bicycle(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    tone = rng.random()
    for side in (-1, 1):
        drawing.disc((x + side * 0.52, 0.35, z), (0.34, 0.35), BICYCLE, "tyre", rim=0.07)
    frame = [
        (-0.52, 0.35),
        (-0.2, 0.85),
        (0.4, 0.85),
        (0.0, 0.32),
        (-0.2, 0.85),
        (0.0, 0.32),
        (-0.52, 0.35),
    ]
    drawing.line([(x + a, b, z) for a, b in frame], 0.07, BICYCLE, "frame", tone)
    fork = [(x + 0.52, 0.35, z), (x + 0.38, 1.02, z), (x + 0.55, 1.05, z)]
    drawing.line(fork, 0.07, BICYCLE, "frame", tone)
    drawing.line([(x - 0.34, 0.92, z), (x - 0.08, 0.92, z)], 0.09, BICYCLE, "tyre")


def _motorcycle(drawing: Drawing, rng: Random, x: float, z: float) -> None:
    tone = rng.random()
    for side in (-1, 1):
        drawing.disc((x + side * 0.68, 0.32, z), (0.32, 0.32), MOTORCYCLE, "tyre")
        drawing.disc((x + side * 0.68, 0.32, z), (0.15, 0.15), MOTORCYCLE, "steel")
    body = (
        (-0.85, 0.82),
        (-0.5, 0.35),
        (0.35, 0.28),
        (0.62, 0.7),
        (0.3, 1.0),
        (0.0, 0.8),
        (-0.4, 0.85),
    )
    drawing.polygon([(x + a, b, z) for a, b in body], MOTORCYCLE, "paint", tone)
    drawing.line(
        [(x + 0.68, 0.32, z), (x + 0.4, 1.1, z), (x + 0.2, 1.12, z)], 0.1, MOTORCYCLE, "steel"
    )
    drawing.disc((x + 0.58, 0.88, z), (0.11, 0.11), MOTORCYCLE, "headlight", 0.5, 1.0)


def _rider(drawing: Drawing, rng: Random, x: float, z: float, *, seat: float, reach: float) -> None:
    cloth = rng.random()
    leg = [(x - 0.2, seat, z), (x + 0.18, seat - 0.22, z), (x + 0.02, 0.3, z)]
    drawing.line(leg, 0.17, RIDER, "trousers", rng.random())
    torso = ((-0.36, 0.0), (-0.08, 0.0), (0.28, 0.58), (0.1, 0.72), (-0.1, 0.62))
    drawing.polygon([(x + a, seat + b, z) for a, b in torso], RIDER, "cloth", cloth)
    drawing.line(
        [(x + 0.15, seat + 0.55, z), (x + reach, seat + 0.2, z)], 0.1, RIDER, "cloth", cloth
    )
    drawing.disc((x + 0.24, seat + 0.82, z), (0.13, 0.15), RIDER, "skin", rng.random())
    drawing.disc((x + 0.22, seat + 0.9, z), (0.14, 0.1), RIDER, "emblem", rng.random())


def bicycle(drawing: Drawing, rng: Random, x: float, z: float, *, ridden: bool) -> None:
    """A bicycle seen from its side, alone or with its rider."""
    _bicycle(drawing, rng, x, z)
    if ridden:
        _rider(drawing, rng, x, z, seat=0.92, reach=0.42)


def motorcycle(drawing: Drawing, rng: Random, x: float, z: float, *, ridden: bool) -> None:
    """A motorcycle seen from its side, alone or with its rider."""
    _motorcycle(drawing, rng, x, z)
    if ridden:
        _rider(drawing, rng, x, z, seat=0.85, reach=0.35)
