"""What is answered to an image, in the terms of HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from typing_extensions import Self

from advent_dist.printable import printable


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A body, and what it is."""

    body: bytes
    """Of the type."""

    media_type: str
    """Such as image/png."""

    status: int = 200
    """HTTP's: 200 is an answer, 4xx a mistake of the sender's, 5xx one of ours."""


class Answerer(Protocol):
    """A model, and what it can say of an image; to be sent to other processes."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What may be asked for; the first is what is answered if nothing is."""

    def to(self, device: torch.device) -> Self:
        """The same, with its model on `device`."""

    def answers(self, images: Sequence[Image.Image], kinds: Sequence[str]) -> list[Answer]:
        """What the model sees, in one pass of its network.

        Args:
            images: RGB, of any sizes.
            kinds: what is asked for of each.
        """


def refusal(status: int, why: str) -> Answer:
    """One line that says why there is no answer, and what would help."""
    body = f"{printable(why)}\n".encode()
    return Answer(body=body, media_type="text/plain; charset=utf-8", status=status)


def as_json(tree: object) -> Answer:
    """Numbers and names."""
    return Answer(body=f"{json.dumps(tree, indent=1)}\n".encode(), media_type="application/json")


def as_png(picture: Image.Image | UInt8[np.ndarray, ...]) -> Answer:
    """A picture, or its pixels."""
    file = BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, format="PNG")
    return Answer(body=file.getvalue(), media_type="image/png")
