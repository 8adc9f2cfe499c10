"""What `predict` leaves of an image that a detector has seen: its boxes, as JSON and drawn."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

from PIL import Image

from advent_dist.data.classes import ClassSet
from advent_dist.data.image import read_image
from advent_dist.data.store import Folder
from advent_dist.json_text import json_object
from advent_dist.pictures import PNG_END, draw_boxes, title_of, to_png
from advent_dist.report import Panel
from advent_dist.runs.images import result_name
from advent_dist.runs.results import not_ours
from advent_dist.runs.seen import SEEN, Seen
from advent_dist.types import Detections

LEAST_SCORE = 0.5
"""Of the boxes that are drawn."""

_READERS = 16
"""Files that are looked at at the same time."""


class BoxResults:
    """The boxes of many images.

    For NAME.jpg there are
    - NAME_boxes.json: all boxes, the likeliest first: class, train id, score, and left, top, right
      and bottom edge in pixels of the image;
    - NAME_boxes.png: the image, with those boxes drawn whose score is high enough.

    Args:
        out: where they lie.
        classes: names and colours.
        least_score: of the boxes that are drawn, and counted.
    """

    def __init__(self, out: Folder, classes: ClassSet, least_score: float) -> None:
        self.least_score = least_score
        self._out = out
        self._classes = classes

    def clear(self, names: Collection[str]) -> None:
        """Nothing: both files of an image are replaced."""

    def there(self, images: Mapping[str, tuple[int, ...]], by: str) -> dict[str, Seen]:
        """Those images whose results are there, whole, and just what would be made again.

        Args:
            images: path -> stamp.
            by: who would make them.

        Raises:
            DataError: a file that is no `predict`'s would be replaced.
        """
        listed = set(self._out.walk())
        with ThreadPoolExecutor(_READERS) as threads:
            notes = threads.map(lambda name: self._note(name, listed), images)
            found = dict(zip(images, notes, strict=True))
        return {
            name: seen
            for name, seen in found.items()
            if seen is not None and (seen.by, seen.stamp) == (by, images[name])
        }

    def _note(self, name: str, listed: set[str]) -> Seen | None:
        """What a file says of whom it is by; none if it is damaged, or one of the two is missing.

        Raises:
            DataError: one of the two is nothing of ours.
        """
        picture, boxes = (
            self._out.read(file) if file in listed else None
            for file in (_file(name, "png"), _file(name, "json"))
        )
        if boxes is not None and b'"made_of"' not in boxes:
            raise not_ours(self._out, _file(name, "json"))
        # Once, pictures had no title; the boxes beside them said whose they are.
        if picture is not None and boxes is None and not title_of(picture):
            raise not_ours(self._out, _file(name, "png"))
        if picture is None or boxes is None or not picture.endswith(PNG_END):
            return None
        try:
            return SEEN.validate_python(json_object(boxes, name).get("made_of"))
        except ValueError:  # of JSON or of pydantic
            return None

    def panel(self, name: str, image: Image.Image, seen: Seen) -> Panel:
        """The picture of an image and its boxes."""
        caption = f"{name}, mean entropy {seen.entropy:.3f}"
        return Panel(caption=caption, png=to_png(self.picture(name), title=caption))

    def picture(self, name: str) -> Image.Image:
        """The image with its boxes, as it was written; see `prediction.Results`."""
        file = _file(name, "png")
        return read_image(BytesIO(self._out.read(file)), f"{self._out.url}/{file}")

    def write(self, name: str, seen: Seen, image: Image.Image, found: Detections) -> None:
        """Write what was found in an image; the JSON last, which says whose both are.

        Args:
            name: the image's path.
            seen: whose it is.
            image: RGB.
            found: the boxes, in its pixels.
        """
        drawn = drawn_boxes(image, found, self._classes, self.least_score)
        self._out.write(_file(name, "png"), to_png(drawn, title=name))
        tree = {**boxes_tree(image, found, self._classes), "made_of": asdict(seen)}
        self._out.write(_file(name, "json"), json.dumps(tree, indent=1).encode())


def drawn_boxes(
    image: Image.Image, found: Detections, classes: ClassSet, least_score: float
) -> Image.Image:
    """The image with those boxes drawn whose score is high enough."""
    sure = found.score >= least_score
    labels, scores = found.label[sure].tolist(), found.score[sure].tolist()
    return draw_boxes(
        image,
        found.xyxy[sure].tolist(),
        [classes.palette[label] for label in labels],
        [
            f"{classes.names[label]} {score:.2f}"
            for label, score in zip(labels, scores, strict=True)
        ],
    )


def boxes_tree(image: Image.Image, found: Detections, classes: ClassSet) -> dict[str, Any]:
    """All boxes as JSON; see `BoxResults`."""
    boxes: list[dict[str, Any]] = [
        {
            "class": classes.names[label],
            "train_id": label,
            "score": round(score, 4),
            "xyxy": [round(edge, 2) for edge in edges],
        }
        for label, score, edges in zip(
            found.label.tolist(), found.score.tolist(), found.xyxy.tolist(), strict=True
        )
    ]
    return {"width": image.width, "height": image.height, "boxes": boxes}


def _file(name: str, ending: str) -> str:
    return str(PurePosixPath(result_name(name, "boxes")).with_suffix(f".{ending}"))
