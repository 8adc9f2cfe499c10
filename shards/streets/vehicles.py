"""Cars, trucks, buses and trams: boxes with the details by which one tells them apart."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from shards.streets.drawing import Drawing, Facing
from shards.streets.labels import BUS, CAR, ROAD, TRAIN, TRUCK


def _lights(
    drawing: Drawing, x: float, z: float, width: float, height: float, label: int, ahead: bool
) -> None:
    material = "taillight" if ahead else "headlight"
    for side in (-1, 1):
        inner, outer = x + side * 0.30 * width, x + side * 0.47 * width
        pair = (min(inner, outer), max(inner, outer))
        drawing.front(pair, (height, height + 0.17), z, label, material, 0.5, 1.0)


def _shadow(drawing: Drawing, x: float, z: float, width: float, length: float) -> None:
    half = 0.5 * width + 0.15
    ground = (
        (x - half, 0, z - 0.3),
        (x + half, 0, z - 0.3),
        (x + half, 0, z + length),
        (x - half, 0, z + length),
    )
    drawing.polygon(ground, ROAD, "shadow", 0.5, Facing.UP)


def _wheels(drawing: Drawing, x: float, z: tuple[float, ...], radius: float, label: int) -> None:
    # A wheel on the side face is a circle in the plane of y and z.
    octagon = ((1, 0), (0.7, 0.7), (0, 1), (-0.7, 0.7), (-1, 0), (-0.7, -0.7), (0, -1), (0.7, -0.7))
    for centre in z:
        rim = [(x, radius + radius * b, centre + radius * a) for a, b in octagon]
        drawing.polygon(rim, label, "tyre")


def _visible_side(x: float, width: float) -> float | None:
    # The side face towards the camera at x = 0, if there is one.
    if abs(x) <= 0.5 * width:
        return None
    return x - 0.5 * width if x > 0 else x + 0.5 * width


class _CarShape(NamedTuple):
    width: float
    length: float
    waist: float
    top: float
    bonnet: float  # metres from the near end to the windscreen's foot
    tail: float  # the same at the far end
    tone: float


def car(drawing: Drawing, rng: Random, x: float, z: float, *, ahead: bool) -> None:
    """A car whose near end is at depth z; `ahead` shows its rear, else it comes towards us."""
    tall = rng.uniform(0.92, 1.2)
    bonnet, tail = (0.25, 1.2) if ahead else (1.1, 0.35)
    length = rng.uniform(3.8, 4.6)
    shape = _CarShape(1.75, length, 0.88 * tall, 1.42 * tall, bonnet, tail, rng.random())
    _shadow(drawing, x, z, shape.width, length)
    side = _visible_side(x, shape.width)
    if side is not None:
        _car_side(drawing, side, z, shape)
    _car_cabin(drawing, x, z, shape)
    _car_end(drawing, x, z, shape)
    _lights(drawing, x, z, shape.width, shape.waist - 0.3, CAR, ahead)


def _car_side(drawing: Drawing, side: float, z: float, car: _CarShape) -> None:
    facing = Facing.RIGHT if side < 0 else Facing.LEFT
    near, far = z + car.bonnet, z + car.length - car.tail
    roof = (near + 0.55, far - 0.5)
    middle = 0.5 * (near + far)
    body = ((z, 0.25), (z, car.waist), (z + car.length, car.waist), (z + car.length, 0.25))
    cabin = ((near, car.waist), (roof[0], car.top), (roof[1], car.top), (far, car.waist))
    for outline in (body, cabin):
        corners = [(side, y, depth) for depth, y in outline]
        drawing.polygon(corners, CAR, "paint", car.tone, facing)
    sill, edge = car.waist, car.top - 0.1
    front = (
        (near + 0.25, sill),
        (roof[0] + 0.05, edge),
        (middle - 0.06, edge),
        (middle - 0.06, sill),
    )
    rear = (
        (middle + 0.06, sill),
        (middle + 0.06, edge),
        (roof[1] - 0.05, edge),
        (far - 0.25, sill),
    )
    for pane in (front, rear):
        corners = [(side, y, depth) for depth, y in pane]
        drawing.polygon(corners, CAR, "windscreen", 0.4, facing)
    _wheels(drawing, side, (z + 0.75, z + car.length - 0.8), 0.32, CAR)


def _car_cabin(drawing: Drawing, x: float, z: float, car: _CarShape) -> None:
    # The slanted end of the cabin with its window, and the bonnet or boot before it.
    foot, head = z + car.bonnet, z + car.bonnet + 0.55
    half, slim = 0.5 * car.width, 0.5 * car.width - 0.17
    for inset, material in ((0.0, "paint"), (0.12, "windscreen")):
        low, high = car.waist + 0.3 * inset, car.top - 0.6 * inset
        a, b = half - inset, slim - inset
        end = ((x - a, low, foot), (x + a, low, foot), (x + b, high, head), (x - b, high, head))
        drawing.polygon(end, CAR, material, car.tone)
    y = car.waist
    cover = ((x - half, y, z), (x + half, y, z), (x + half, y, foot), (x - half, y, foot))
    drawing.polygon(cover, CAR, "paint", car.tone)


def _car_end(drawing: Drawing, x: float, z: float, car: _CarShape) -> None:
    half = 0.5 * car.width
    for wheel in (x - half + 0.02, x + half - 0.26):
        drawing.front((wheel, wheel + 0.24), (0, 0.4), z + 0.2, CAR, "tyre")
    drawing.front((x - half, x + half), (0.24, car.waist), z, CAR, "paint", car.tone)
    drawing.front((x - half, x + half), (0.24, 0.36), z, CAR, "tyre")
    drawing.front((x - 0.26, x + 0.26), (0.42, 0.54), z, CAR, "plate")


def _box(
    drawing: Drawing,
    x: float,
    z: tuple[float, float],
    width: float,
    y: tuple[float, float],
    label: int,
    material: str,
    tone: float,
) -> None:
    side = _visible_side(x, width)
    if side is not None:
        facing = Facing.RIGHT if x < 0 else Facing.LEFT
        corners = ((side, y[0], z[0]), (side, y[0], z[1]), (side, y[1], z[1]), (side, y[1], z[0]))
        drawing.polygon(corners, label, material, tone, facing)
    drawing.front((x - 0.5 * width, x + 0.5 * width), y, z[0], label, material, tone)


def truck(drawing: Drawing, rng: Random, x: float, z: float, *, ahead: bool) -> None:
    """A lorry: a high load with doors, or a cab before it."""
    width, length, top = 2.4, rng.uniform(6.5, 9.5), rng.uniform(3.1, 3.7)
    cab, load = rng.random(), rng.random()
    _shadow(drawing, x, z, width, length)
    if ahead:
        _box(drawing, x, (z + length - 1.8, z + length), width, (0.5, 2.6), TRUCK, "paint", cab)
        _box(drawing, x, (z, z + length - 2.0), width, (0.95, top), TRUCK, "tarpaulin", load)
        drawing.front((x - 0.03, x + 0.03), (1.0, top), z, TRUCK, "tyre")
        drawing.front((x - 1.15, x + 1.15), (0.45, 0.95), z, TRUCK, "tyre")
    else:
        _box(drawing, x, (z + 2.0, z + length), width, (0.95, top), TRUCK, "tarpaulin", load)
        _box(drawing, x, (z, z + 1.8), width, (0.45, 2.6), TRUCK, "paint", cab)
        drawing.front((x - 1.05, x + 1.05), (1.5, 2.35), z, TRUCK, "windscreen")
        drawing.front((x - 0.8, x + 0.8), (0.6, 1.1), z, TRUCK, "tyre")
    side = _visible_side(x, width)
    if side is not None:
        _wheels(drawing, side, (z + 0.9, z + 2.0, z + length - 1.2), 0.48, TRUCK)
    for wheel in (x - 1.15, x + 0.8):
        drawing.front((wheel, wheel + 0.35), (0, 0.7), z + 0.3, TRUCK, "tyre")
    _lights(drawing, x, z, width, 0.6, TRUCK, ahead)


def _windows(
    drawing: Drawing,
    x: float,
    z: tuple[float, float],
    width: float,
    y: tuple[float, float],
    pane: float,
    label: int,
) -> None:
    side = _visible_side(x, width)
    if side is None:
        return
    facing = Facing.RIGHT if x < 0 else Facing.LEFT
    count = int((z[1] - z[0]) / pane)
    for i in range(count):
        a, b = z[0] + i * pane + 0.08, z[0] + (i + 1) * pane - 0.08
        corners = ((side, y[0], a), (side, y[0], b), (side, y[1], b), (side, y[1], a))
        drawing.polygon(corners, label, "glass", 0.4, facing, 0.7)


def bus(drawing: Drawing, rng: Random, x: float, z: float, *, ahead: bool) -> None:
    """A city bus: one box, a row of wide windows, a lit destination over the windscreen."""
    width, length, top = 2.5, 11.0, 3.0
    _shadow(drawing, x, z, width, length)
    _box(drawing, x, (z, z + length), width, (0.3, top), BUS, "bus_paint", rng.random())
    _windows(drawing, x, (z + 0.4, z + length), width, (1.25, 2.35), 1.5, BUS)
    side = _visible_side(x, width)
    if side is not None:
        _wheels(drawing, side, (z + 2.2, z + length - 2.5), 0.48, BUS)
    low = 1.55 if ahead else 1.1
    drawing.front((x - 1.1, x + 1.1), (low, 2.4), z, BUS, "windscreen", 0.7)
    drawing.front((x - 0.8, x + 0.8), (2.55, 2.85), z, BUS, "housing")
    drawing.front((x - 0.5, x + 0.5), (2.62, 2.78), z, BUS, "amber_light", 0.4, 0.6)
    drawing.front((x - 1.25, x + 1.25), (0.2, 0.45), z, BUS, "tyre")
    _lights(drawing, x, z, width, 0.65, BUS, ahead)


def tram(drawing: Drawing, rng: Random, x: float, z: float, *, ahead: bool) -> None:
    """A tram, which Cityscapes counts as a train: long, high, with a pantograph."""
    width, length, top = 2.4, 26.0, 3.5
    tone = rng.random()
    _shadow(drawing, x, z, width, length)
    drawing.line(
        [(x, top, z + 6), (x - 0.6, top + 0.6, z + 6), (x + 0.4, top + 1.2, z + 6)],
        0.08,
        TRAIN,
        "steel",
    )
    _box(drawing, x, (z + 0.4, z + length), width, (0.15, top), TRAIN, "tram_paint", tone)
    _windows(drawing, x, (z + 1.4, z + length), width, (1.5, 2.7), 1.3, TRAIN)
    outline = ((-1.2, 0.15), (1.2, 0.15), (1.2, 2.7), (0.85, 3.5), (-0.85, 3.5), (-1.2, 2.7))
    drawing.polygon([(x + a, b, z) for a, b in outline], TRAIN, "tram_paint", tone)
    pane = ((-1.0, 1.4), (1.0, 1.4), (0.95, 2.65), (-0.95, 2.65))
    drawing.polygon([(x + a, b, z) for a, b in pane], TRAIN, "windscreen", 0.5)
    drawing.front((x - 0.6, x + 0.6), (2.85, 3.2), z, TRAIN, "amber_light", 0.4, 0.6)
    drawing.front((x - 1.2, x + 1.2), (0.9, 1.05), z, TRAIN, "plate")
    _lights(drawing, x, z, width, 0.5, TRAIN, ahead)
