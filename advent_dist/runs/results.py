"""What `predict` leaves of an image: pictures, each with a note of what it was made of."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from io import BytesIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import ValidationError

from advent_dist.data.image import read_image
from advent_dist.data.store import Folder
from advent_dist.errors import DataError
from advent_dist.pictures import PNG_END, Colour, colourise, overlay, panel, to_png
from advent_dist.report import Panel
from advent_dist.runs.images import result_name
from advent_dist.runs.seen import SEEN, Seen

_KINDS = ("color", "trainid", "overlay", "entropy")
"""What is written for each image; see `predict.Predictor`."""

_NOTE = "advent_dist"
"""Keyword of the note in a PNG."""

_READERS = 16
"""Pictures that are looked at at the same time."""


class Results:
    """The pictures of many images.

    Args:
        out: where they lie.
        palette: one RGB colour a class.
        overlays: whether they are among them.
    """

    def __init__(self, out: Folder, palette: Sequence[Colour], *, overlays: bool = False) -> None:
        self.overlays = overlays
        self._out = out
        self._kinds = [kind for kind in _KINDS if overlays or kind != "overlay"]
        self._palette = palette

    def there(self, images: Mapping[str, tuple[int, ...]], by: str) -> dict[str, Seen]:
        """Those images whose pictures are all there, whole, and just what would be made again.

        Args:
            images: path -> stamp.
            by: who would make them.

        Raises:
            DataError: a picture that is no `predict`'s would be replaced.
        """
        listed = set(self._out.walk())
        with ThreadPoolExecutor(_READERS) as threads:
            notes = threads.map(lambda name: self._notes(name, listed), images)
            found = dict(zip(images, notes, strict=True))
        return {
            name: seen
            for name, seen in found.items()
            if seen is not None and (seen.by, seen.stamp) == (by, images[name])
        }

    def _notes(self, name: str, listed: set[str]) -> Seen | None:
        """What all pictures of an image say; none where they differ, or one is missing."""
        files = [result_name(name, kind) for kind in self._kinds]
        first, *others = (self._note(file) if file in listed else None for file in files)
        return first if all(other == first for other in others) else None

    def _note(self, file: str) -> Seen | None:
        """What a picture says; none if it is damaged, or of before.

        Raises:
            DataError: it has no note.
        """
        try:
            data = self._out.read(file)
        except DataError:
            return None
        if f"{_NOTE}\0".encode() not in data.partition(b"IDAT")[0]:
            raise not_ours(self._out, file)
        try:
            if not data.endswith(PNG_END):
                return None
            with Image.open(BytesIO(data), formats=["PNG"]) as picture:
                return SEEN.validate_json(str(picture.info.get(_NOTE)))
        except ValidationError:
            return None
        except Exception:  # Pillow raises nearly anything at a damaged file
            return None

    def panel(self, name: str, image: Image.Image, seen: Seen) -> Panel:
        """An image with its prediction and entropy, as they were written."""
        train_ids, entropy = (
            np.asarray(
                Image.open(BytesIO(self._out.read(result_name(name, kind))), formats=["PNG"])
            )
            for kind in ("trainid", "entropy")
        )
        caption = f"{name}, mean entropy {seen.entropy:.3f}"
        picture = panel(
            np.asarray(image),
            None,
            {"prediction": train_ids},
            {"prediction": entropy / 255},
            self._palette,
        )
        return Panel(caption=caption, png=to_png(picture, title=caption))

    def clear(self, names: Collection[str]) -> None:
        """Remove those of earlier predictions of these images, which are to be made again.

        Other pictures are replaced; these would lie beside what another model has seen.
        """
        if self.overlays or not names:
            return
        listed = set(self._out.walk())
        for file in (result_name(name, "overlay") for name in names):
            if file in listed:
                try:
                    self._note(file)
                except DataError:
                    continue  # a stranger's is kept
                self._out.remove(file)

    def picture(self, name: str) -> Image.Image:
        """The overlay, as it was written; see `prediction.Results`."""
        file = result_name(name, "overlay")
        return read_image(BytesIO(self._out.read(file)), f"{self._out.url}/{file}")

    def write(
        self,
        name: str,
        seen: Seen,
        train_ids: UInt8[np.ndarray, "i j"],
        entropy: UInt8[np.ndarray, "i j"],
        image: UInt8[np.ndarray, "i j 3"] | None,
    ) -> None:
        """Write the pictures of an image; each has the note, lest others pass for its company.

        Args:
            name: the image's path.
            seen: the note.
            train_ids: of each pixel.
            entropy: 255 times the normalised one.
            image: RGB, for an overlay; none without.
        """

        def store(kind: str, picture: UInt8[np.ndarray, ...]) -> None:
            self._out.write(result_name(name, kind), _png(picture, seen))

        # One after the other, since those of a photograph have tens of megabytes each.
        colours = colourise(train_ids, self._palette)
        store("color", colours)
        if image is not None:
            store("overlay", overlay(image, colours))
        del colours
        store("trainid", train_ids)
        store("entropy", entropy)


def not_ours(out: Folder, file: str) -> DataError:
    """A file that `predict` did not write lies where it would."""
    return DataError(
        f"{out.url}/{file} is not of advent-dist predict, and would be replaced; give another --out"
    )


def _png(picture: UInt8[np.ndarray, ...], seen: Seen) -> bytes:
    file, texts = BytesIO(), PngInfo()
    texts.add_text(_NOTE, json.dumps(asdict(seen)))
    Image.fromarray(picture).save(file, format="PNG", pnginfo=texts)
    return file.getvalue()
