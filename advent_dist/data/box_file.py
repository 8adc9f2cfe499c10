"""The boxes of a sample: `KEY.boxes.json` beside its image.

    {"xyxy": [[10.5, 20, 42, 80.25]], "label": [2], "ignore": [false]}

Edges are in pixels of the image as float32, from its upper left corner; labels are train ids.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from advent_dist.data.box_arrays import BoxArrays, box_arrays
from advent_dist.data.classes import ClassSet
from advent_dist.errors import DamageError, DataError

BOXES = "boxes.json"

MAX_BOXES = 10_000
"""Of one image."""

MAX_BYTES = 2**20
"""Of one file."""

_Id = Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)]
_Edges = tuple[float, float, float, float]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    xyxy: Annotated[list[_Edges], Field(max_length=MAX_BOXES)]
    label: Annotated[list[_Id], Field(max_length=MAX_BOXES)]
    ignore: Annotated[list[Annotated[bool, Field(strict=True)]], Field(max_length=MAX_BOXES)]


@cache
def _adapter() -> TypeAdapter[_File]:
    return TypeAdapter(_File)


def encode_boxes(boxes: BoxArrays) -> bytes:
    """The bytes of the file: each number in the fewest digits that make its float32."""
    file = {
        "xyxy": [[float(str(edge)) for edge in box] for box in boxes.xyxy],
        "label": boxes.label.tolist(),
        "ignore": boxes.ignore.tolist(),
    }
    return json.dumps(file, separators=(",", ":")).encode()


def decode_boxes(data: bytes | memoryview, where: str) -> BoxArrays:
    """What a file holds, not yet compared with image and classes.

    Args:
        data: the file.
        where: names the sample in messages.

    Raises:
        DamageError: not such a file, or too large a one.
    """
    what, fix = f"{where}: its {BOXES}", "build the shard again"
    if len(data) > MAX_BYTES:
        raise DamageError(f"{what} has {len(data)} bytes, but at most {MAX_BYTES} are read; {fix}")
    try:
        file = _adapter().validate_json(bytes(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise DamageError(f"{what} can't be read ({field}: {first['msg']}); {fix}") from error
    counts = {len(file.xyxy), len(file.label), len(file.ignore)}
    if len(counts) > 1:
        raise DamageError(
            f"{what} has {len(file.xyxy)} boxes, {len(file.label)} labels and {len(file.ignore)} "
            f"marks of what to ignore; {fix}"
        )
    return box_arrays(file.xyxy, file.label, file.ignore)


def check_boxes(boxes: BoxArrays, size: tuple[int, int], classes: ClassSet, where: str) -> None:
    """Refuse boxes that do not fit their image or the class set.

    Args:
        boxes: as decoded.
        size: width, height of the image in pixels.
        classes: of the boxes.
        where: names the sample.

    Raises:
        DataError: one is not finite, reaches out of the image, has no area or an unknown class, or
            there are too many of them.
    """
    if boxes.num_boxes > MAX_BOXES:
        raise DataError(
            f"{where}: it has {boxes.num_boxes} boxes, but at most {MAX_BOXES} are read; give fewer"
        )
    edges, (width, height) = boxes.xyxy, size
    _refuse(~np.isfinite(edges), edges, where, "give finite numbers of pixels")
    outside = (edges < 0) | (edges > [width, height] * 2)
    _refuse(outside, edges, where, f"its image is {width}x{height} (width x height); clip it")
    hollow = edges[:, 2:] <= edges[:, :2]
    _refuse(hollow, edges, where, "it has no area; leave it out, or give left, top, right, bottom")
    unknown = (boxes.label < 0) | (boxes.label >= classes.num_classes)
    if unknown.any():
        first = int(np.argmax(unknown))
        raise DataError(
            f"{where}: its box {first} has the label {int(boxes.label[first])}, but {classes.name} "
            f"has the train ids 0..{classes.num_classes - 1}; map the names or ids to train ids "
            "when building the shards, or correct data.classes"
        )


def _refuse(
    wrong: npt.NDArray[np.bool_], edges: npt.NDArray[np.float32], where: str, fix: str
) -> None:
    """Refuse the first box with anything `wrong`, bool [k, any]."""
    if wrong.any():
        first = int(np.argmax(np.any(wrong, axis=1)))
        shown = ", ".join(f"{edge:g}" for edge in edges[first])
        raise DataError(f"{where}: its box {first} = [{shown}] can't be: {fix}")


def count_boxes(boxes: BoxArrays, num_classes: int) -> tuple[int, ...]:
    """Boxes of each class but for ignored ones, and last of all how many are ignored: C + 1."""
    counts = np.bincount(boxes.label[~boxes.ignore], minlength=num_classes)[:num_classes]
    return *counts.tolist(), int(boxes.ignore.sum())
