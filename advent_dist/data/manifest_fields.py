"""The kinds of values in a manifest, which comes from whoever made the shards."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from advent_dist.data.classes import IGNORED, MAX_CLASSES


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control or other characters in a name that can't be printed")
    return text


# No field may lead elsewhere.
Count = Annotated[int, Field(ge=0)]
Level = Annotated[int, Field(ge=0, le=255)]
Extension = Annotated[str, Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$", max_length=100)]
RawValue = Annotated[int, Field(ge=0, lt=2**24)]
MappedId = Annotated[int, Field(ge=0, le=IGNORED)]
TrainId = Annotated[int, Field(ge=0, lt=MAX_CLASSES)]
FileName = Annotated[
    str,
    # At least one character that is no dot: neither . nor .. is a file.
    Field(pattern=r"^[^/\\\x00-\x1f]*[^./\\\x00-\x1f][^/\\\x00-\x1f]*$", max_length=255),
]
Text = Annotated[str, Field(max_length=4096), AfterValidator(_printable)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_printable)]
ClassPixels = Annotated[
    str, Field(pattern=r"^([0-9]{1,3}:[0-9]{1,10}( [0-9]{1,3}:[0-9]{1,10})*)?$", max_length=4096)
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ClassNames = Annotated[tuple[Name, ...], Field(max_length=MAX_CLASSES)]
Palette = tuple[tuple[Level, Level, Level], ...]
Subsets = dict[Name, tuple[TrainId, ...]]
