"""The part of a detector's evaluation that needs no label: what is predicted, and how certainly.

Nearly all anchors are of the background, and sure of it: over all of them the entropy would say
little. What is looked at are those that see an object, by `OBJECT`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from advent_dist.errors import DivergedError
from advent_dist.evaluation.criteria import diversity, information_maximisation
from advent_dist.evaluation.metrics import histogram
from advent_dist.evaluation.sums import Sums
from advent_dist.evaluation.unlabelled import LIVE_SHARE
from advent_dist.losses import self_information

OBJECT = 0.1
"""Probability of any class but the background from which on an anchor sees an object."""


@dataclass(frozen=True, kw_only=True)
class AnchorSums(Sums):
    """Sums over the anchors that see an object."""

    anchors: Int64[Tensor, ""]
    """How many there are."""

    entropy: Float64[Tensor, ""]
    """Sum of the normalised entropies, the background being a class."""

    probability: Float64[Tensor, " c"]
    """Sum of the distributions over the classes, without the background: each sums to 1."""

    class_entropy: Float64[Tensor, ""]
    """Sum of the normalised entropies of those."""

    likeliest: Int64[Tensor, " c"]
    """Anchors that each class is the likeliest at."""

    broken: Int64[Tensor, ""]
    """Anchors, of all, at which what is predicted is not finite."""

    @classmethod
    def zeros(cls, num_classes: int, device: torch.device) -> AnchorSums:
        """The sums of no anchor at all."""
        integers = partial(torch.zeros, dtype=torch.int64, device=device)
        real = partial(torch.zeros, dtype=torch.float64, device=device)
        return cls(
            anchors=integers(()),
            entropy=real(()),
            probability=real(num_classes),
            class_entropy=real(()),
            likeliest=integers(num_classes),
            broken=integers(()),
        )

    @classmethod
    def of(cls, class_logits: Float32[Tensor, "n a k"]) -> AnchorSums:
        """Those of one batch.

        Args:
            class_logits: of the background and C classes.
        """
        logits = class_logits.flatten(0, 1)
        logits = logits[logits.softmax(1)[:, 0] <= 1 - OBJECT]
        classes = logits[:, 1:].softmax(1)
        return cls(
            anchors=torch.full((), len(logits), device=logits.device),
            entropy=anchor_entropy(logits[None]).sum(dtype=torch.float64),
            probability=classes.sum(0, dtype=torch.float64),
            class_entropy=_entropy(classes).sum(dtype=torch.float64),
            likeliest=histogram(classes.argmax(1), classes.shape[1]),
            broken=(~class_logits.isfinite()).any(-1).sum(),
        )


def anchor_entropy(class_logits: Float32[Tensor, "n a k"]) -> Float32[Tensor, "n a"]:
    """Normalised entropy of each anchor's distribution, in 0..1; the background is a class."""
    return _entropy(class_logits.flatten(0, 1).softmax(1)).view(class_logits.shape[:2])


def _entropy(probabilities: Float32[Tensor, "m k"]) -> Float32[Tensor, " m"]:
    """Normalised, in 0..1; 0 of distributions over one class."""
    if probabilities.shape[1] == 1:
        return torch.zeros_like(probabilities[:, 0])
    return self_information(probabilities[..., None, None]).sum((1, 2, 3)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class AnchorCriteria:
    """What predictions say of a detector by themselves.

    One that sees no object anywhere has the worst values.
    """

    mean_entropy: float
    """Mean normalised entropy, the background being a class, in 0..1."""

    information_maximisation: float
    """Of the classes without the background: entropy of the mean distribution less the mean
    entropy, in 0..1; 0 where there is one class."""

    diversity: float
    """Normalised entropy of that mean distribution, in 0..1; 0 where there is one class."""

    live_classes: int
    """Classes that are the likeliest at more than 0.01 % of the anchors."""


def criteria_of_anchors(sums: AnchorSums) -> AnchorCriteria:
    """The numbers that sums over all ranks stand for.

    Raises:
        DivergedError: what was predicted is not finite.
    """
    if sums.broken:
        raise DivergedError(
            "the network's predictions are not finite: an update has made its weights so; lower "
            "the learning rates (optimizer.*) or the weights of the losses (method.*)"
        )
    live = int((sums.likeliest > LIVE_SHARE * sums.anchors).sum())
    if not sums.anchors:
        return AnchorCriteria(
            mean_entropy=1.0, information_maximisation=0.0, diversity=0.0, live_classes=0
        )
    mean_entropy = (sums.entropy / sums.anchors).item()
    if len(sums.probability) == 1:
        return AnchorCriteria(
            mean_entropy=mean_entropy,
            information_maximisation=0.0,
            diversity=0.0,
            live_classes=live,
        )
    mean = sums.probability / sums.anchors
    certainty = sums.class_entropy / sums.anchors
    return AnchorCriteria(
        mean_entropy=mean_entropy,
        information_maximisation=information_maximisation(mean, certainty).item(),
        diversity=diversity(mean).item(),
        live_classes=live,
    )
