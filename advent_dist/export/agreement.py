"""Whether what was exported computes what the network does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from advent_dist.errors import ExportError

TOLERANCE = 1e-4
"""Of logits, relative to the largest where that is more than 1; and share of the pixels that may
have another class."""


class Example(NamedTuple):
    """Pictures, and what the network makes of them."""

    images: Float[Tensor, "n 3 h w"]
    logits: Float[Tensor, "n c h w"]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How near two programs are over all examples."""

    difference: float
    """Of logits, the largest; relative to the largest logit where that is more than 1."""

    other_classes: float
    """Share of the pixels that have another class."""


def pictures(shapes: Sequence[tuple[int, int, int]]) -> list[Float[Tensor, "n 3 h w"]]:
    """Noise to compare programs on.

    Args:
        shapes: batch, height, width of each.
    """
    random = torch.Generator().manual_seed(0)
    return [
        torch.randint(0, 256, (batch, 3, height, width), generator=random).float()
        for batch, height, width in shapes
    ]


def compare(
    program: Callable[[Tensor], Tensor], examples: Sequence[Example], name: str
) -> Agreement:
    """Hold a program to the network.

    Args:
        program: images -> logits, as the network.
        examples: what it is tried on.
        name: of its file, for the message.

    Raises:
        ExportError: it computes something else.
    """
    differences, others, pixels = [], 0, 0
    for images, logits in examples:
        found = program(images)
        scale = max(1.0, float(logits.abs().max()))
        differences.append((found - logits).abs().max() / scale)
        others += int((found.argmax(1) != logits.argmax(1)).sum())
        pixels += found.argmax(1).numel()
    difference = float(torch.stack(differences).max())
    agreement = Agreement(difference=difference, other_classes=others / pixels)
    # A number that is none is no agreement either.
    if not (difference <= TOLERANCE and agreement.other_classes <= TOLERANCE):
        raise ExportError(
            f"{name} is not the network that was trained: its logits differ by up to "
            f"{difference:.2g}, and {agreement.other_classes:.2%} of the pixels have another class "
            f"({TOLERANCE:g} of each is allowed), so nothing was written; export without it, or "
            "with other versions of PyTorch and onnx"
        )
    return agreement
