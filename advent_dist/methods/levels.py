"""The pieces that the methods share: a segmenter's levels, their losses, the weighted sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from advent_dist.losses import all_pixels_cross_entropy
from advent_dist.models.segmenter import SegmenterOutput
from advent_dist.types import Metrics

MAIN, AUX, DETAIL = "", "_aux", "_detail"
"""Suffixes of the names of losses, weights and discriminators: main head, auxiliary head, and the
part of the images that is also seen by itself."""


def levels(output: SegmenterOutput) -> Iterator[tuple[str, Tensor]]:
    """The (suffix, logits [n, C, h, w]) of each head that the segmenter has."""
    yield MAIN, output.main
    if output.aux is not None:
        yield AUX, output.aux


def all_pixels_losses(
    term: str, output: SegmenterOutput, label: Tensor, weight: Tensor | None = None
) -> dict[str, Tensor]:
    """Cross entropy over all pixels, of each head and of the detail where there is one (HRDA).

    Args:
        term: Name of the main head's.
        output: Of images [n, 3, h, w].
        label: Theirs [n, h, w].
        weight: Of each pixel [n, h, w]; 1 by default.

    Returns:
        The losses by name.
    """
    losses = {
        f"{term}{level}": all_pixels_cross_entropy(logits, label, weight)
        for level, logits in levels(output)
    }
    if output.detail is not None:
        logits, window = output.detail
        cut = None if weight is None else window.of(weight)
        losses[f"{term}{DETAIL}"] = all_pixels_cross_entropy(logits, window.of(label), cut)
    return losses


def weighted(losses: Mapping[str, Tensor], config: object) -> Tensor:
    """The sum of `losses[name]` times `config.lambda_name`; a 0-d tensor with a graph."""
    terms: list[Tensor] = [
        getattr(config, f"lambda_{name}") * loss for name, loss in losses.items()
    ]
    return sum(terms[1:], start=terms[0])


def logged(losses: Mapping[str, Tensor]) -> Metrics:
    """The losses as metrics: detached, under `loss/name`."""
    return {f"loss/{name}": loss.detach() for name, loss in losses.items()}
