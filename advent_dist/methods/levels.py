"""The pieces that the methods share: a segmenter's levels, the source's half, weighted sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from advent_dist.losses import cross_entropy
from advent_dist.models.segmenter import SegmenterOutput
from advent_dist.parallel.engine import Engine
from advent_dist.types import DomainBatch, Metrics

MAIN, AUX = "", "_aux"
"""Suffixes of the names of losses, weights and discriminators: main head and auxiliary head."""


def levels(output: SegmenterOutput) -> Iterator[tuple[str, Tensor]]:
    """The (suffix, logits [n, C, h, w]) of each head that the segmenter has."""
    yield MAIN, output.main
    if output.aux is not None:
        yield AUX, output.aux


def fit_source(
    segmenter: Engine, batch: DomainBatch, config: object, *, more: bool
) -> tuple[SegmenterOutput, dict[str, Tensor]]:
    """Cross entropy of each head on the source images: forward and backward pass.

    Doing both before the target's forward pass keeps the graph of one domain at a time in memory.

    Args:
        segmenter: The network.
        batch: The micro-batch.
        config: The method's, with the weights.
        more: Whether a loss on the target follows.

    Returns:
        The output, whose graph is freed, and the losses by name.
    """
    output = segmenter(batch.source_image)
    losses = {
        f"seg{level}": cross_entropy(logits, batch.source_label) for level, logits in levels(output)
    }
    segmenter.backward(weighted(losses, config), more=more)
    return output, losses


def weighted(losses: Mapping[str, Tensor], config: object) -> Tensor:
    """The sum of `losses[name]` times `config.lambda_name`; a 0-d tensor with a graph."""
    terms: list[Tensor] = [
        getattr(config, f"lambda_{name}") * loss for name, loss in losses.items()
    ]
    return sum(terms[1:], start=terms[0])


def logged(losses: Mapping[str, Tensor]) -> Metrics:
    """The losses as metrics: detached, under `loss/name`."""
    return {f"loss/{name}": loss.detach() for name, loss in losses.items()}
