"""What a teacher says of target images, and how much that counts (DACS, section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from advent_dist.losses import at_least_fp32
from advent_dist.parallel.world import World


class PseudoLabels(NamedTuple):
    """Labels without an annotator."""

    label: Integer[Tensor, "n h w"]
    """uint8, the teacher's most probable class."""

    weight: Float[Tensor, "n h w"]
    """float32 in [0, 1]: the share of sure pixels in the batches of all ranks, and 0 in rows that
    are left out."""

    sure: Float[Tensor, ""]
    """That share."""


@torch.no_grad()
def pseudo_labels(
    logits: Float[Tensor, "n c h w"],
    threshold: float,
    world: World,
    *,
    top: int = 0,
    bottom: int = 0,
) -> PseudoLabels:
    """Labels and weights out of a teacher's logits. Collective.

    Args:
        logits: at the size of the images.
        threshold: a pixel is sure from this probability on; every pixel gets a label.
        world: whose pixels are counted together.
        top: rows whose weight is 0; they count among the pixels all the same, as published.
        bottom: the same from below.
    """
    probability, label = at_least_fp32(logits).softmax(1).max(1)
    sure = (probability >= threshold).sum(dtype=torch.float64)
    counts = torch.stack([sure, torch.full_like(sure, probability.numel())])
    sure, pixels = world.sum(counts)
    share = (sure / pixels).float()
    weight = share.expand(label.shape).clone()
    weight[:, :top] = 0
    weight[:, label.shape[1] - bottom :] = 0
    return PseudoLabels(label=label.to(torch.uint8), weight=weight, sure=share)
