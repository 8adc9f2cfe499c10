"""What a network's logits say of each pixel: the likeliest class, and how sure that is."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor


class Certainty(NamedTuple):
    """Of some rows of images."""

    prediction: Int64[Tensor, "n h w"]
    """The likeliest class."""

    entropy: Float32[Tensor, "n h w"]
    """Normalised entropy of the class distribution, in 0..1 (ADVENT, eq. 1)."""

    probability: Float64[Tensor, " c"]
    """Sum of the class distributions over the pixels."""


def certainty_of(logits: Float32[Tensor, "n c h w"]) -> Certainty:
    """Look at logits; with z = x - max x, the entropy is log sum e^z - sum z e^z / sum e^z.

    No probability is made, and the logarithm is taken once a pixel, not once a class.
    """
    # PyTorch's argmax takes six times as long as this on a CPU.
    highest, prediction = logits.max(1)
    shifted = logits - highest[:, None]
    masses = shifted.exp()
    mass = masses.sum(1)
    most = math.log(max(logits.shape[1], 2))  # of one class all entropies are 0
    entropy = mass.log() - shifted.mul_(masses).sum(1) / mass
    probability = masses.flatten(2) @ mass.reciprocal().flatten(1)[:, :, None]
    return Certainty(
        prediction=prediction,
        entropy=(entropy / most).clamp(0, 1),
        probability=probability.sum((0, 2), dtype=torch.float64),
    )


def pixel_entropy(logits: Float32[Tensor, "n c h w"]) -> Float32[Tensor, "n h w"]:
    """Normalised entropy of each pixel's class distribution, in 0..1 (ADVENT, eq. 1)."""
    return certainty_of(logits).entropy
