"""The pieces that the methods share: a segmenter's levels, supervised losses, weighted sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from advent_dist.losses import cross_entropy
from advent_dist.models.segmenter import SegmenterOutput
from advent_dist.types import Metrics

MAIN, AUX = "", "_aux"
"""Suffixes of the names of losses, weights and discriminators: main head and auxiliary head."""


def levels(output: SegmenterOutput) -> Iterator[tuple[str, Tensor]]:
    """The (suffix, logits [n, C, h, w]) of each head that the segmenter has."""
    yield MAIN, output.main
    if output.aux is not None:
        yield AUX, output.aux


def supervised_losses(output: SegmenterOutput, label: Tensor) -> dict[str, Tensor]:
    """The cross entropy of each head against `label` uint8 [n, h, w]."""
    return {f"seg{level}": cross_entropy(logits, label) for level, logits in levels(output)}


def weighted(losses: Mapping[str, Tensor], config: object) -> Tensor:
    """The sum of `losses[name]` times `config.lambda_name`; a 0-d tensor with a graph."""
    terms: list[Tensor] = [
        getattr(config, f"lambda_{name}") * loss for name, loss in losses.items()
    ]
    return sum(terms[1:], start=terms[0])


def logged(losses: Mapping[str, Tensor]) -> Metrics:
    """The losses as metrics: detached, under `loss/name`."""
    return {f"loss/{name}": loss.detach() for name, loss in losses.items()}
