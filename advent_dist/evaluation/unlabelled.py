"""The part of an evaluation that needs no label: what is predicted, and how certainly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from advent_dist.errors import DivergedError
from advent_dist.evaluation.certainty import Certainty
from advent_dist.evaluation.criteria import diversity, image_density, information_maximisation
from advent_dist.evaluation.metrics import histogram
from advent_dist.evaluation.sums import Sums

LIVE_SHARE = 1e-4
"""A class is live if the model predicts it at more than this share of all pixels."""


@dataclass(frozen=True, kw_only=True)
class PredictionSums(Sums):
    """Sums over all pixels, those without a label too."""

    predicted: Int64[Tensor, " c"]
    """Pixels that each class was predicted at."""

    entropy: Float64[Tensor, ""]
    """Sum of the entropy."""

    probability: Float64[Tensor, " c"]
    """Sum of the predicted class distributions."""

    density: Float64[Tensor, ""]
    """Sum of the images' soft neighbourhood densities, in nats."""

    images: Int64[Tensor, ""]
    """How many images there are."""

    @classmethod
    def zeros(cls, num_classes: int, device: torch.device) -> PredictionSums:
        """The sums of no pixel at all."""
        integers = partial(torch.zeros, dtype=torch.int64, device=device)
        real = partial(torch.zeros, dtype=torch.float64, device=device)
        return cls(
            predicted=integers(num_classes),
            entropy=real(()),
            probability=real(num_classes),
            density=real(()),
            images=integers(()),
        )

    @classmethod
    def of_pixels(cls, certainty: Certainty) -> PredictionSums:
        """Those of some rows of images, without what is said of images as a whole."""
        num_classes, device = len(certainty.probability), certainty.probability.device
        return replace(
            cls.zeros(num_classes, device),
            predicted=histogram(certainty.prediction, num_classes),
            entropy=certainty.entropy.sum(dtype=torch.float64),
            probability=certainty.probability,
        )

    @classmethod
    def of_images(cls, logits: Float32[Tensor, "n c h w"]) -> PredictionSums:
        """What is said of images as a whole, without the sums over their pixels."""
        return replace(
            cls.zeros(logits.shape[1], logits.device),
            density=image_density(logits).sum(),
            images=torch.full((), len(logits), device=logits.device),
        )


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """What predictions say of a model by themselves; see `criteria`."""

    mean_entropy: float
    """Mean normalised entropy of all pixels, in 0..1."""

    information_maximisation: float
    """Entropy of the mean prediction less `mean_entropy`, in 0..1."""

    snd: float
    """Mean soft neighbourhood density of the images, in nats."""

    diversity: float
    """Normalised entropy of the mean prediction, in 0..1."""

    live_classes: int
    """Classes predicted at more than 0.01 % of all pixels; few of them = a collapse."""


def criteria_of(sums: PredictionSums) -> Criteria:
    """The numbers that sums over all ranks stand for.

    Raises:
        DivergedError: what was predicted is not finite.
    """
    if not sums.probability.isfinite().all():
        raise DivergedError(
            "the network's predictions are not finite: an update has made its weights so; lower "
            "the learning rates (optimizer.*) or the weights of the losses (method.*)"
        )
    pixels = sums.predicted.sum()
    mean_prediction = sums.probability / pixels
    mean_entropy = sums.entropy / pixels
    return Criteria(
        mean_entropy=mean_entropy.item(),
        information_maximisation=information_maximisation(mean_prediction, mean_entropy).item(),
        snd=(sums.density / sums.images).item(),
        diversity=diversity(mean_prediction).item(),
        live_classes=int((sums.predicted > LIVE_SHARE * pixels).sum()),
    )
