"""Model selection without labels: what a model's target predictions say of it by themselves.

In real adaptation there are no target labels to choose hyperparameters by. Each of these criteria
looks at the class distributions that a model predicts. None is safe alone: a model that calls all
pixels road has a mean entropy of 0. Entropies of classes are normalised by log C, as in ADVENT.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from advent_dist.losses import self_information

SND_TEMPERATURE = 0.05
"""Temperature of the neighbourhood (Saito et al., section 3.2)."""

SND_PIXELS = 256
"""Pixels of an image whose neighbourhoods are looked at."""


def diversity(mean: Float64[Tensor, " c"]) -> Float64[Tensor, ""]:
    """Class diversity: the entropy of the mean prediction, higher is better.

    The second term of information maximisation by itself; 0 if one class is predicted everywhere.

    Args:
        mean: mean over all pixels of the predicted distributions; sums to 1.

    Returns:
        A value in [0, 1].
    """
    return self_information(mean[None, :, None, None]).sum().clamp(0, 1)


def information_maximisation(
    mean: Float64[Tensor, " c"], mean_entropy: Float64[Tensor, ""]
) -> Float64[Tensor, ""]:
    """H(mean p) - mean H(p): sure of each pixel, yet of many classes; higher is better.

    The mutual information of input and prediction: Bridle et al., Unsupervised Classifiers, Mutual
    Information and Phantom Targets, NeurIPS 1991; as a criterion and loss for adaptation: Shi and
    Sha, ICML 2012; Liang et al., ICML 2020.

    Args:
        mean: mean over all pixels of the predicted distributions; sums to 1.
        mean_entropy: mean over all pixels of their normalised entropies, in [0, 1]; by itself the
            criterion of Morerio et al., ICLR 2018, where lower is better.

    Returns:
        A value in [0, 1].
    """
    return diversity(mean) - mean_entropy


def soft_neighbourhood_density(
    probabilities: Float[Tensor, "k c"], temperature: float = SND_TEMPERATURE
) -> Float[Tensor, ""]:
    """Soft neighbourhood density; higher is better.

    Each point has a distribution over the others, the softmax of their cosine similarities over the
    temperature; the criterion is its mean entropy. Many near neighbours, a dense cluster, make it
    large. Saito et al., Tune it the Right Way: Unsupervised Validation of Domain Adaptation via
    Soft Neighborhood Density, ICCV 2021, equations 1 to 3.

    Args:
        probabilities: predicted distributions of k >= 2 pixels.
        temperature: tau, above 0.

    Returns:
        A value in nats, in [0, log(k - 1)].
    """
    features = F.normalize(probabilities, dim=1)
    similarities = features @ features.T / temperature
    itself = torch.eye(len(features), dtype=torch.bool, device=features.device)
    log_neighbours = similarities.masked_fill(itself, -torch.inf).log_softmax(1)
    # 0 log 0 = 0 for the pixel itself.
    entropies = -(log_neighbours.exp() * log_neighbours.masked_fill(itself, 0)).sum(1)
    return entropies.mean()


def image_density(logits: Float32[Tensor, "n c h w"]) -> Float64[Tensor, " n"]:
    """The soft neighbourhood density of each image over at most `SND_PIXELS` of its pixels.

    Within an image, so that the mean over a data set depends neither on how images are spread over
    ranks nor on their order.

    Args:
        logits: of the classes, in dimension 1.

    Returns:
        float64 [n], nats.
    """
    pixels = logits.flatten(2)
    places = spread(pixels.shape[2], SND_PIXELS).to(pixels.device, non_blocking=True)
    chosen = pixels[:, :, places].softmax(1)
    return torch.stack([soft_neighbourhood_density(image.T).double() for image in chosen.unbind(0)])


def spread(size: int, count: int) -> Int64[Tensor, " k"]:
    """At most `count` different indices below `size`, the same always, evenly spread.

    Multiples of the golden ratio: even steps would run down the columns of an image.
    """
    if size <= count:
        return torch.arange(size)
    turns = torch.arange(count, dtype=torch.float64) * ((5**0.5 - 1) / 2)
    indices: Tensor = torch.unique((turns.frac() * size).long())
    return indices
