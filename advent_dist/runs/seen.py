"""What a prediction comes to in a few numbers, which are stored with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AliasChoices, Field, TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen in an image, and by whom."""

    by: str
    """Digest of the models and of how they looked."""

    stamp: tuple[int, ...]
    """Numbers that change when the image's file does."""

    entropy: Annotated[float, Field(ge=0, le=1)]
    """Normalised, the mean over the pixels, or over those anchors of a detector that see
    an object."""

    found: Annotated[
        dict[int, Annotated[int, Field(gt=0)]],
        Field(validation_alias=AliasChoices("found", "pixels")),  # as earlier versions call it
    ]
    """Train id -> pixels that were taken for it, or boxes of a detector; one or more of each."""


SEEN = TypeAdapter(Seen)
"""From JSON, which may be a stranger's."""
