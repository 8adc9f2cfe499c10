"""A camera on a street and its drawing: one number a pixel, the part that is seen there.

All that a scene shows follows from that one picture by table look-up: a part's class gives the
label, its material the colour, its depth the fog. So labels and images agree to the pixel.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from shards.streets import materials

NEAR = 0.6
"""Metres; nothing nearer is drawn."""

Point = tuple[float, float, float]
"""x to the right of the camera, y above the ground, z ahead of the camera, in metres."""


class Facing(enum.IntEnum):
    """Where a surface looks, which decides how much light it gets."""

    CAMERA = 0
    UP = 1
    RIGHT = 2
    LEFT = 3


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along z over flat ground."""

    width: int
    height: int
    focal: float
    """Focal length in pixels."""

    horizon: float
    """Row of the horizon in pixels."""

    above_ground: float
    """Height over the ground in metres."""

    bend: float
    """The street's curvature: at depth z it has moved bend * z^2 metres sideways."""

    def project(self, point: Point) -> tuple[float, float]:
        """Column and row in pixels at which a point is seen."""
        x, y, z = point
        z = max(z, NEAR)
        scale = self.focal / z
        column = 0.5 * self.width + scale * x + self.focal * self.bend * z
        return column, self.horizon + scale * (self.above_ground - y)

    def pixels(self, metres: float, z: float) -> float:
        """Length in pixels of `metres` at depth z."""
        return self.focal / max(z, NEAR) * metres


class Part(NamedTuple):
    """A flat piece of an object."""

    label: int
    """Train id, 0..18, or 255."""

    material: int
    """Place in `materials.MATERIALS`."""

    tone: float
    """Choice among the material's colours, in [0, 1)."""

    facing: Facing
    """Where it looks."""

    depth: float
    """Mean distance along z in metres."""

    glow: float
    """Strength of its own light at night, in 0..1."""


class Drawing:
    """Parts painted over each other, the far ones first."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.parts: list[Part] = []
        self._image = Image.new("I", (camera.width, camera.height))
        self._pen = ImageDraw.Draw(self._image)

    @property
    def index(self) -> NDArray[np.int32]:
        """int32 [height, width]: the place in `parts` of the part seen at each pixel."""
        return np.asarray(self._image)

    def polygon(
        self,
        points: Iterable[Point],
        label: int,
        material: str,
        tone: float = 0.5,
        facing: Facing = Facing.CAMERA,
        glow: float = 0.0,
    ) -> None:
        """Paint a flat polygon, its corners in metres."""
        corners = list(points)
        depth = sum(max(z, NEAR) for _, _, z in corners) / len(corners)
        self._add(label, material, tone, facing, depth, glow)
        self._pen.polygon([self.camera.project(p) for p in corners], fill=len(self.parts) - 1)

    def front(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: float,
        label: int,
        material: str,
        tone: float = 0.5,
        glow: float = 0.0,
    ) -> None:
        """Paint a rectangle that faces the camera at depth z."""
        corners = ((x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z))
        self.polygon(corners, label, material, tone, Facing.CAMERA, glow)

    def side(
        self,
        x: float,
        y: tuple[float, float],
        z: tuple[float, float],
        label: int,
        material: str,
        tone: float = 0.5,
        glow: float = 0.0,
    ) -> None:
        """Paint an upright rectangle along the street at x; it faces the street's middle."""
        corners = ((x, y[0], z[0]), (x, y[0], z[1]), (x, y[1], z[1]), (x, y[1], z[0]))
        self.polygon(corners, label, material, tone, Facing.RIGHT if x < 0 else Facing.LEFT, glow)

    def disc(
        self,
        centre: Point,
        radii: tuple[float, float],
        label: int,
        material: str,
        tone: float = 0.5,
        glow: float = 0.0,
        rim: float | None = None,
    ) -> None:
        """Paint an ellipse that faces the camera; with `rim`, only a ring so many metres thick."""
        column, row = self.camera.project(centre)
        a, b = (self.camera.pixels(r, centre[2]) for r in radii)
        self._add(label, material, tone, Facing.CAMERA, centre[2], glow)
        box = (column - a, row - b, column + a, row + b)
        number = len(self.parts) - 1
        if rim is None:
            self._pen.ellipse(box, fill=number)
        else:
            width = max(1, round(self.camera.pixels(rim, centre[2])))
            self._pen.ellipse(box, outline=number, width=width)

    def line(
        self,
        points: Iterable[Point],
        thickness: float,
        label: int,
        material: str,
        tone: float = 0.5,
    ) -> None:
        """Paint a line of a thickness in metres, at least one pixel wide."""
        corners = list(points)
        depth = sum(z for _, _, z in corners) / len(corners)
        self._add(label, material, tone, Facing.CAMERA, depth, 0.0)
        width = max(1, round(self.camera.pixels(thickness, depth)))
        path = [self.camera.project(p) for p in corners]
        self._pen.line(path, fill=len(self.parts) - 1, width=width)

    def _add(
        self, label: int, material: str, tone: float, facing: Facing, depth: float, glow: float
    ) -> None:
        number = materials.INDEX[material]
        self.parts.append(Part(label, number, tone, facing, depth, glow))
