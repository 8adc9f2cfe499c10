"""Labels without an annotator, and how much each counts."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from advent_dist.parallel.world import World
from advent_dist.types import IGNORE_INDEX


class PseudoLabels(NamedTuple):
    """Labels without an annotator."""

    label: Integer[Tensor, "n h w"]
    """uint8, a class, or 255 where a rule gives none."""

    weight: Float[Tensor, "n h w"]
    """float32 in [0, 1]."""

    sure: Float[Tensor, ""]
    """The share of sure pixels in the batches of all ranks."""


def share_of(pixels: Bool[Tensor, "n h w"], world: World) -> Float[Tensor, ""]:
    """The share of those that are true among the pixels of all ranks. Collective."""
    held = pixels.sum(dtype=torch.float64)
    counts = torch.stack([held, torch.full_like(held, pixels.numel())])
    share: Tensor = torch.divide(*world.sum(counts)).float()
    return share


def where_sure(
    label: Integer[Tensor, "n h w"], sure: Bool[Tensor, "n h w"], world: World
) -> PseudoLabels:
    """Sure pixels with their label and weight 1, the others with none. Collective."""
    return PseudoLabels(
        label=torch.where(sure, label, IGNORE_INDEX).to(torch.uint8),
        weight=sure.float(),
        sure=share_of(sure, world),
    )
