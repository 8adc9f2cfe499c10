"""The paper's losses as pure functions. All compute in fp32 at least, whatever the networks run in.

In fp16 the offset 1e-30 is 0, and 0 * log2(0) is not a number.
"""

from __future__ import annotations

import math
from enum import IntEnum

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor

from advent_dist.types import IGNORE_INDEX


class Domain(IntEnum):
    """A discriminator's two answers, as in the published code; the paper swaps the numbers."""

    SOURCE = 0
    TARGET = 1


def at_least_fp32(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`values` in fp32, or in fp64 where they are."""
    return values if values.dtype == torch.float64 else values.float()


def cross_entropy(
    logits: Float[Tensor, "n c h w"],
    labels: Integer[Tensor, "n h w"],
    ignore_index: int = IGNORE_INDEX,
) -> Float[Tensor, ""]:
    """Cross entropy in nats, averaged over the labelled pixels of the whole batch.

    Args:
        logits: unnormalised scores of C classes, any float dtype.
        labels: train ids in 0..C-1, or `ignore_index`; uint8 or int64.
        ignore_index: label of the pixels that are left out.

    Returns:
        The mean. Where no pixel is labelled it is 0 and still differentiable, with a zero gradient,
        so that every rank of a distributed step runs the same backward pass.
    """
    # The kernel that sums as it goes has no fixed order on a GPU; a sum by itself has.
    reduction = "none" if torch.are_deterministic_algorithms_enabled() else "sum"
    total = F.cross_entropy(
        at_least_fp32(logits), labels.long(), ignore_index=ignore_index, reduction=reduction
    ).sum()
    return total / (labels != ignore_index).sum().clamp(min=1)


def all_pixels_cross_entropy(
    logits: Float[Tensor, "n c h w"],
    labels: Integer[Tensor, "n h w"],
    weights: Float[Tensor, "n h w"] | None = None,
) -> Float[Tensor, ""]:
    """Cross entropy in nats, averaged over all pixels: those without a class count with loss 0.

    Self-training means this one (DACS, eq. 4; DAFormer and MIC on the source too): a batch with
    little to learn from teaches little.

    Args:
        logits: unnormalised scores of C classes, any float dtype.
        labels: train ids in 0..C-1, or 255; uint8 or int64.
        weights: of each pixel; 1 by default.

    Returns:
        The sum of the weighted losses over n * h * w.
    """
    losses = F.cross_entropy(
        at_least_fp32(logits), labels.long(), ignore_index=IGNORE_INDEX, reduction="none"
    )
    return losses.mean() if weights is None else (losses * weights).mean()


def self_information(probabilities: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Weighted self-information I = -P log2(P + 1e-30) / log2(C) (ADVENT, eq. 5).

    Args:
        probabilities: softmax over dimension 1, any float dtype.

    Returns:
        float32 in [0, 1], one value a class and pixel; what a discriminator sees. The sum over the
        classes is the entropy map (eq. 1), in [0, 1] too.
    """
    p = at_least_fp32(probabilities)
    return -p * torch.log2(p + 1e-30) / math.log2(p.shape[1])


def entropy_loss(
    probabilities: Float[Tensor, "n c h w"],
    share: float | None = None,
    penalty: float | None = None,
) -> Float[Tensor, ""]:
    """Mean of the normalised entropy map (ADVENT, eq. 2, as a mean instead of a sum).

    Args:
        probabilities: softmax over dimension 1.
        share: in (0, 1]; takes each image's ceil(share * h * w) pixels of highest entropy only
            ("entropy ranges"). None takes all of them.
        penalty: exponent eta of (e^2 + 1e-8)^eta, which takes the place of a pixel's entropy e
            (FDA, arXiv 2004.05498, section 2.2). None keeps e.

    Returns:
        A value in [0, 1], the mean over the chosen pixels of all images.
    """
    entropy = self_information(probabilities).sum(dim=1).flatten(start_dim=1)
    entropy = entropy if share is None else highest(entropy, share)
    return (entropy if penalty is None else (entropy**2 + 1e-8) ** penalty).mean()


def highest(entropy: Float[Tensor, "n m"], share: float) -> Float[Tensor, "n k"]:
    """Each image's ceil(share * m) values that are highest, in no order.

    Args:
        entropy: of m places in each image.
        share: in (0, 1].
    """
    # Rounding first keeps 0.07 * 100 = 7.000000000000001 from becoming 8 pixels.
    count = math.ceil(round(share * entropy.shape[1], 6))
    return entropy.topk(count, dim=1, sorted=False).values


def class_prior_loss(
    probabilities: Float[Tensor, "n c h w"], prior: Float[Tensor, " c"], mu: float
) -> Float[Tensor, ""]:
    """Class-ratio prior: sum over c of max(0, mu * p_s[c] - mean over pixels of P_t[c]).

    Args:
        probabilities: softmax over dimension 1 of target images.
        prior: p_s, the share of each class among the source's labelled pixels; sums to 1.
        mu: relaxation in 0..1; 0 asks for nothing, 1 for the source's full ratios.

    Returns:
        The mean over the images, each compared with the prior by itself (ADVENT, section 3.3).
    """
    ratios = at_least_fp32(probabilities).mean(dim=(2, 3))
    return F.relu(mu * prior - ratios).sum(dim=1).mean()


def domain_loss(logits: Float[Tensor, "n k h w"], domain: Domain) -> Float[Tensor, ""]:
    """Binary cross entropy of a discriminator's logits against one domain, averaged.

    Args:
        logits: the discriminator's output map; large values mean target.
        domain: the answer that counts as right.
    """
    logits = at_least_fp32(logits)
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(domain)))


def least_squares_domain_loss(
    logits: Float[Tensor, "n k h w"], domain: Domain
) -> Float[Tensor, ""]:
    """Squared error of a discriminator's raw answers against one domain, averaged.

    Least-squares GAN (arXiv 1611.04076), as AdaptSegNet has it with `--gan LS`.

    Args:
        logits: the discriminator's output map, without a sigmoid.
        domain: the answer that counts as right.
    """
    logits = at_least_fp32(logits)
    return F.mse_loss(logits, torch.full_like(logits, float(domain)))


def poly_lr(base: float, step: int, horizon: int, power: float) -> float:
    """Polynomial schedule base * (1 - step / horizon) ** power, and 0 from the horizon on.

    Args:
        base: learning rate at step 0.
        step: optimiser steps taken so far.
        horizon: step at which the rate reaches 0.
        power: exponent; the paper takes 0.9.
    """
    remaining = max(0.0, 1.0 - step / horizon)
    return base * math.pow(remaining, power)


def warm_up(step: int, steps: int) -> float:
    """Factor of a learning rate that rises linearly to its schedule (DAFormer, section 4.1).

    Args:
        step: optimiser steps taken so far.
        steps: how many the rise takes; 0 takes none.

    Returns:
        From 1e-6 at step 0 to 1 at `steps` and after.
    """
    if step >= steps:
        return 1.0
    return 1.0 - (1.0 - step / steps) * (1.0 - 1e-6)
