"""From a drawing to an image: the light of surfaces, and what becomes of it up to the sensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from shards.streets import materials
from shards.streets.drawing import Drawing, Facing
from shards.streets.labels import SKY
from shards.streets.looks import Look, Range

Array = NDArray[np.float32]

_GROUND_CELL = 0.25
"""Metres of road between two values of its texture."""


def _hex(colour: str) -> Array:
    return (np.frombuffer(bytes.fromhex(colour), np.uint8) / 255).astype(np.float32)


def _white(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    # Independent values in -1..1.
    return 2 * rng.random(shape, np.float32) - 1


def _smooth(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> Array:
    # Value noise in -1..1 whose features are about `cell` pixels wide.
    rows, columns = (max(2, round(n / cell)) for n in shape)
    coarse = Image.fromarray(_white(rng, (rows, columns)))
    return np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC), np.float32)


class _Photograph:
    """One drawing on its way to an image, a step a method."""

    def __init__(self, drawing: Drawing, look: Look, rng: np.random.Generator, factor: int) -> None:
        self.look, self.rng, self.factor, self.camera = look, rng, factor, drawing.camera
        self.drawn = drawing.index
        self.index = self.drawn[factor // 2 :: factor, factor // 2 :: factor]
        self.height, self.width = self.index.shape
        self.scale = self.width / 320
        self.horizon = drawing.camera.horizon / factor
        table = np.array(drawing.parts, np.float32).T
        self.label, self.material, self.facing = table[[0, 1, 3]].astype(int)
        self.tone, self.glow = (table[2] * materials.TONES).astype(int), table[5]
        self.is_ground = (self.facing == Facing.UP)[self.index]
        self.depth = np.where(self.is_ground, self._ground_depth()[:, None], table[4][self.index])
        self.light = self._surfaces()
        """float32 [h, w, 3]; 1 is white."""

    def _uniform(self, bounds: Range) -> float:
        return float(self.rng.uniform(*bounds))

    def _noise(self, cell: float) -> Array:
        return _smooth(self.rng, (self.height, self.width), cell * self.scale)

    def _paint(self, table: Array) -> Array:
        # A value a part -> a smooth picture, through the drawing at its full size.
        full = (np.clip(table, 0, 1) * 255).astype(np.uint8).take(self.drawn, axis=0)
        picture: Array = np.array(Image.fromarray(full).reduce(self.factor), np.float32)
        picture /= 255
        return picture

    def _ground_depth(self) -> Array:
        # [h]: where the ground is seen in each row, at most at the backdrop.
        rows = np.arange(self.height, dtype=np.float32) + 0.5 - self.horizon
        focal = self.camera.focal / self.factor
        depth: Array = focal * self.camera.above_ground / np.maximum(rows, 0.3)
        return np.minimum(depth, 180)

    def _ground_texture(self) -> Array:
        # Noise that lies on the ground: coarse before the camera, fine and faint far away.
        tile = _smooth(self.rng, (256, 256), 3) + _white(self.rng, (256, 256))
        z = self._ground_depth()[:, None]
        columns = np.arange(self.width, dtype=np.float32) - 0.5 * self.width
        x = columns * (self.factor / self.camera.focal / _GROUND_CELL) * z
        texture: Array = tile[(z / (2 * _GROUND_CELL)).astype(int) % 256, x.astype(int) % 256]
        return texture * np.minimum(1, 14 / z)

    def _surfaces(self) -> Array:
        sun = self.look.sun * (1 if self.rng.random() < 0.5 else -1)
        lit = np.array([0.9, 1.0, 0.9 + sun, 0.9 - sun], np.float32)
        colours = self.look.colours[self.material, self.tone] * lit[self.facing, None]
        upright = _white(self.rng, (self.height, self.width)) + self._noise(4)
        texture = np.where(self.is_ground, self._ground_texture(), upright) + 0.7 * self._noise(25)
        rough: Array = self.look.texture * 0.6 * materials.ROUGHNESS[self.material]
        light: Array = self._paint(colours) * (1 + rough[self.index] * texture)[..., None]
        return light

    def illuminate(self) -> None:
        """Exposure, colour cast, and slow changes of the light over the image."""
        slow = 1 + 0.15 * self.look.texture * self._noise(90)
        cast = np.array(self.look.cast, np.float32)
        self.light *= slow[..., None] * (self._uniform(self.look.exposure) * cast)

    def add_fog(self) -> None:
        """Koschmieder's law: light fades with exp(-beta z) into the haze."""
        seen = np.exp(-self._uniform(self.look.fog) * self.depth).astype(np.float32)
        haze = _hex(self.look.haze)
        self.light = haze + seen[..., None] * (self.light - haze)

    def add_sky(self) -> None:
        """A gradient from the haze at the horizon to the zenith, with clouds."""
        rows = np.arange(self.height, dtype=np.float32)
        up = np.clip(1 - rows / max(self.horizon, 1), 0, 1)[:, None] ** 0.7
        haze, zenith = _hex(self.look.haze), _hex(self.look.zenith)
        sky = (haze + up * (zenith - haze))[:, None]
        clouds = 1 + self.look.clouds * (self._noise(40) + 0.5 * self._noise(15))
        mask = self._paint((self.label == SKY).astype(np.float32))
        self.light += mask[..., None] * (sky * clouds[..., None] - self.light)

    def wet_the_ground(self) -> None:
        """Blend the mirrored upper half, smeared downwards, into the ground."""
        if not self.look.wetness:
            return
        rows = 2 * self.horizon - np.arange(self.height)
        mirror = self.light[np.clip(rows, 0, self.height - 1).astype(int)]
        steps = [np.roll(mirror, round(k * self.scale), axis=0) for k in (-6, -3, 0, 3, 6)]
        puddles = np.clip(0.7 + 0.6 * self._noise(30), 0, 1)
        share = (self.look.wetness * np.where(self.is_ground, puddles, 0))[..., None]
        self.light = (1 - share) * self.light + share * (sum(steps) / len(steps))

    def switch_lights_on(self) -> None:
        """Lamps, headlights, signals and windows, each with a halo."""
        if not self.look.lights:
            return
        emitted = self._paint(self.look.lights * self.glow[:, None] * materials.GLOW[self.material])
        picture = Image.fromarray((emitted * 255).astype(np.uint8))
        halo = picture.filter(ImageFilter.BoxBlur(4 * self.scale))
        self.light += 0.9 * emitted + self.look.lights * np.asarray(halo, np.float32) / 255

    def rain(self) -> None:
        """Short bright streaks, slightly slanted."""
        count = self.look.streaks * self.height * self.width // 10_000
        if not count:
            return
        slant = self._uniform((-0.3, 0.3))
        x, y = self.rng.uniform(0, self.width, count), self.rng.uniform(0, self.height, count)
        length = self.rng.uniform(4, 12, count) * self.scale
        for step in np.linspace(0, 1, max(2, round(12 * self.scale))):
            rows = (y + step * length).astype(int) % self.height
            columns = (x + slant * step * length).astype(int) % self.width
            self.light[rows, columns] += 0.18 * (0.85 - self.light[rows, columns])

    def expose(self) -> NDArray[np.uint8]:
        """What the sensor makes of it: blur, noise, 8 bits."""
        image = Image.fromarray((np.clip(self.light, 0, 1) * 255).astype(np.uint8))
        image = image.filter(ImageFilter.GaussianBlur(self._uniform(self.look.blur) * self.scale))
        pixels = np.asarray(image, np.float32)
        deviation = self._uniform(self.look.noise)
        grain = self.rng.standard_normal(pixels.shape, np.float32)
        return np.clip(pixels + deviation * grain, 0, 255).astype(np.uint8)


def photograph(
    drawing: Drawing, look: Look, rng: np.random.Generator, factor: int
) -> NDArray[np.uint8]:
    """Take an image of a drawing.

    Args:
        drawing: What is to be seen.
        look: How it is to look.
        rng: Source of texture, exposure and noise.
        factor: How many times the drawing is larger than the image.

    Returns:
        uint8 [height, width, 3], RGB.
    """
    shot = _Photograph(drawing, look, rng, factor)
    shot.illuminate()
    shot.add_fog()
    shot.add_sky()
    shot.wet_the_ground()
    shot.switch_lights_on()
    shot.rain()
    return shot.expose()
