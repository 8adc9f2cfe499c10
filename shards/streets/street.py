"""A whole street: the ground, what closes it at the sides, and everybody on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

from shards.streets import furniture, people, vehicles
from shards.streets.drawing import Camera, Drawing, Facing
from shards.streets.frontage import backdrop, frontage
from shards.streets.labels import ROAD, SIDEWALK, SKY, TERRAIN
from shards.streets.scenery import Thing

_DEPTHS = (0.6, 5.0, 9.0, 15.0, 24.0, 40.0, 70.0, 110.0, 180.0)
"""Where strips of ground have corners, so that they follow a bend."""


@dataclass(frozen=True)
class Plan:
    """The street's cross section in metres; the camera drives at x = 0 on the right lane."""

    left: float
    """Left kerb, negative."""

    right: float
    """Right kerb."""

    sidewalks: tuple[float, float]
    """Widths of the sidewalks, left and right."""

    verges: tuple[float, float]
    """Widths of the grass between sidewalk and frontage, left and right."""

    @property
    def frontages(self) -> tuple[float, float]:
        """The lines at which houses stand, left and right."""
        (a, b), (c, d) = self.sidewalks, self.verges
        return self.left - a - c, self.right + b + d


def _plan(rng: Random) -> Plan:
    return Plan(
        left=-rng.uniform(4.8, 9.0),
        right=rng.uniform(2.3, 5.0),
        sidewalks=(rng.uniform(1.8, 4.0), rng.uniform(1.8, 4.0)),
        verges=(rng.choice((0.1, 0.8, 2.5, 4.0)), rng.choice((0.1, 0.8, 2.5, 4.0))),
    )


def _strip(
    drawing: Drawing, x: tuple[float, float], label: int, material: str, tone: float
) -> None:
    there = [(x[0], 0.0, z) for z in _DEPTHS]
    back = [(x[1], 0.0, z) for z in reversed(_DEPTHS)]
    drawing.polygon(there + back, label, material, tone, Facing.UP)


def _patch(
    drawing: Drawing, x: tuple[float, float], z: tuple[float, float], material: str, tone: float
) -> None:
    corners = ((x[0], 0, z[0]), (x[1], 0, z[0]), (x[1], 0, z[1]), (x[0], 0, z[1]))
    drawing.polygon(corners, ROAD, material, tone, Facing.UP)


def _ground(drawing: Drawing, rng: Random, plan: Plan) -> None:
    paving, verge = rng.random(), rng.random()
    left, right = plan.frontages
    for inner, outer, width in (
        (plan.left, left - 12, -plan.sidewalks[0]),
        (plan.right, right + 12, plan.sidewalks[1]),
    ):
        _strip(drawing, (inner + width, outer), TERRAIN, "grass", verge)
        _strip(drawing, (inner, inner + width), SIDEWALK, "paving", paving)
        _strip(drawing, (inner - 0.09, inner + 0.09), SIDEWALK, "kerb", 0.5)
    asphalt = rng.random()
    _strip(drawing, (plan.left + 0.09, plan.right - 0.09), ROAD, "asphalt", asphalt)
    for _ in range(rng.randrange(4)):
        x, z = rng.uniform(plan.left, plan.right - 1), rng.uniform(3, 30)
        right_edge = min(x + rng.uniform(1, 3), plan.right - 0.1)
        _patch(drawing, (x, right_edge), (z, z + rng.uniform(1, 8)), "asphalt", rng.random())


def _markings(drawing: Drawing, rng: Random, plan: Plan) -> None:
    middle = -1.75
    dash, start = rng.uniform(2, 4), rng.uniform(0, 3)
    for i in range(12):
        z = start + 2.2 * dash * i
        _patch(drawing, (middle - 0.08, middle + 0.08), (z, z + dash), "marking", 0.5)
    if rng.random() < 0.5:
        for x in (plan.left + 0.35, plan.right - 0.35):
            _strip(drawing, (x - 0.06, x + 0.06), ROAD, "marking", 0.5)
    if rng.random() < 0.35:
        z, x = rng.uniform(7, 20), plan.left + 0.3
        while x < plan.right - 0.6:
            _patch(drawing, (x, x + 0.5), (z, z + 3), "marking", 0.6)
            x += 1.0


def _parked(rng: Random, plan: Plan) -> Iterator[Thing]:
    for x, ahead in ((plan.left + 1.1, False), (plan.right - 1.1, True)):
        if abs(x) < 2.1 or rng.random() < 0.3:
            continue
        z = rng.uniform(5, 18)
        while z < 80:
            if rng.random() < 0.6:
                yield Thing(z, partial(vehicles.car, x=x, z=z, ahead=ahead))
            z += rng.uniform(5.5, 8.5)


def _traffic(rng: Random, plan: Plan) -> Iterator[Thing]:
    kinds = (vehicles.car, vehicles.truck, vehicles.bus, vehicles.tram)
    for x, ahead in ((0.0, True), (-3.4, False)):
        z = rng.uniform(9, 26) if ahead else rng.uniform(7, 20)
        while z < 90:
            kind = rng.choices(kinds, (0.5, 0.17, 0.14, 0.19))[0]
            if rng.random() < 0.65:
                where = x + rng.uniform(-0.3, 0.3)
                yield Thing(z, partial(kind, x=where, z=z, ahead=ahead))
            z += rng.uniform(16, 34)


def _two_wheelers(rng: Random, plan: Plan) -> Iterator[Thing]:
    for kind, most in ((people.bicycle, 4), (people.motorcycle, 3)):
        for _ in range(rng.randrange(most)):
            ridden = rng.random() < 0.6
            z = rng.uniform(6, 26)
            if ridden:
                x = rng.choice((plan.left + 0.9, plan.right - 0.6, -1.9))
            else:
                x = rng.choice((plan.left - 0.7, plan.right + 0.7))
            yield Thing(z, partial(kind, x=x, z=z, ridden=ridden))


def _passers_by(rng: Random, plan: Plan) -> Iterator[Thing]:
    for _ in range(rng.randrange(2, 10)):
        left, right = plan.frontages
        bands = ((left + 0.5, plan.left - 0.4), (plan.right + 0.4, right - 0.5))
        x = (
            rng.uniform(*rng.choice(bands))
            if rng.random() < 0.9
            else rng.uniform(plan.left, plan.right)
        )
        z = rng.uniform(6, 40) if abs(x) > 2 else rng.uniform(12, 30)
        yield Thing(z, partial(people.person, x=x, z=z))


def _furniture(rng: Random, plan: Plan) -> Iterator[Thing]:
    edges = (plan.left - 0.45, plan.right + 0.45)
    start = rng.uniform(5, 20)
    for i in range(5):
        z = start + 22 * i
        yield Thing(z, partial(furniture.lamp, x=edges[i % 2], z=z))
    for kind, least, most in (
        (furniture.traffic_light, 0, 4),
        (furniture.sign, 1, 5),
        (furniture.bin_, 0, 2),
    ):
        for _ in range(rng.randrange(least, most)):
            z = rng.uniform(7, 40)
            yield Thing(z, partial(kind, x=rng.choice(edges), z=z))


def _trees(rng: Random, plan: Plan) -> Iterator[Thing]:
    for x in (plan.left - 1.1, plan.right + 1.1):
        if rng.random() < 0.35:
            continue
        z = rng.uniform(7, 20)
        while z < 100:
            if rng.random() < 0.7:
                yield Thing(z, partial(furniture.tree, x=x, z=z))
            z += rng.uniform(7, 14)


def draw_street(
    seed: int, width: int, height: int, note: Callable[[Drawing], None] | None = None
) -> Drawing:
    """The drawing of street number `seed`.

    Args:
        seed: Number of the street.
        width: Of the drawing in pixels.
        height: Of the drawing in pixels.
        note: Called with it before the first thing in the street is drawn, and after each.
    """
    rng = Random(seed)
    camera = Camera(
        width=width,
        height=height,
        focal=0.9 * width,
        horizon=height * rng.uniform(0.40, 0.48),
        above_ground=rng.uniform(1.3, 1.7),
        bend=rng.uniform(-0.0012, 0.0012),
    )
    drawing = Drawing(camera)
    plan = _plan(rng)
    sky = ((-1e4, -1e4, 1e3), (1e4, -1e4, 1e3), (1e4, 1e4, 1e3), (-1e4, 1e4, 1e3))
    drawing.polygon(sky, SKY, "sky", 0.5)
    backdrop(drawing, rng)
    _ground(drawing, rng, plan)
    _markings(drawing, rng, plan)
    things = [thing for x in plan.frontages for thing in frontage(rng, x)]
    for crowd in (_parked, _traffic, _two_wheelers, _passers_by, _furniture, _trees):
        things += crowd(rng, plan)
    if note is not None:
        note(drawing)
    for thing in sorted(things, key=lambda thing: -thing.depth):
        thing.draw(drawing, rng)
        if note is not None:
            note(drawing)
    return drawing
