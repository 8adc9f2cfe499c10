"""The term of VFM-UDA++: features that those of a larger frozen encoder can be told from."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from advent_dist.augmentation.weak import weakly_augmented
from advent_dist.config import VFMUDAPlusPlusConfig
from advent_dist.losses import at_least_fp32
from advent_dist.methods.levels import weighted
from advent_dist.methods.parts import Parts

_LENGTHS, _DIRECTIONS = 0.1, 0.9
"""Shares of both parts of the distance, as published."""


@final
class Distillation:
    """Distance of the deepest features, through a head that learns, to those of the frozen encoder.

    The head is an engine of its own. Like a discriminator it is constant in the segmenter's pass,
    and learns from detached features in another one: together the gradients of one joint pass.

    Args:
        config: of the method.
        parts: the segmenter, the head and the frozen encoder.
    """

    def __init__(self, config: VFMUDAPlusPlusConfig, parts: Parts) -> None:
        assert parts.extractor is not None, "the method says that it needs one"
        self._config = config
        self._segmenter = parts.engines["segmenter"]
        self._head = parts.engines["distillation"]
        self._extractor = parts.extractor

    def fit(self, domain: str, images: Tensor, *, last: bool) -> dict[str, Tensor]:
        """Forward and backward passes; another loss of the segmenter's follows.

        Args:
            domain: `source` or `target`.
            images: its images, RGB in 0..255 [n, 3, h, w].
            last: whether no other domain follows.

        Returns:
            The loss by its name.
        """
        wanted = self._wanted(images)
        changed = weakly_augmented(images, self._config.weak_probability)
        features = self._segmenter(changed, None, True).features
        with self._head.frozen() as head:
            losses = {f"distill_{domain}": distance(head(features), wanted)}
        self._segmenter.backward(weighted(losses, self._config), more=True)
        learnt = {f"distill_{domain}": distance(self._head(features.detach()), wanted)}
        self._head.backward(weighted(learnt, self._config), more=not last)
        return losses

    def step(self) -> None:
        """End a micro-batch of the head."""
        self._head.step()

    @torch.no_grad()
    def _wanted(self, images: Tensor) -> Float[Tensor, "n d k l"]:
        width, height = self._config.distill_size
        resized = F.interpolate(
            images.float(), size=(height, width), mode="bilinear", align_corners=False
        )
        return self._extractor(resized)


def distance(
    features: Float[Tensor, "n d i j"], wanted: Float[Tensor, "n d k l"]
) -> Float[Tensor, ""]:
    """0.1 * smooth L1 + 0.9 * (1 - cosine over the channels), the mean over `wanted`'s places.

    Args:
        features: resized to the places of `wanted`.
        wanted: without a graph.
    """
    features, wanted = at_least_fp32(features), at_least_fp32(wanted)
    resized = F.interpolate(features, wanted.shape[2:], mode="bilinear", align_corners=False)
    lengths = F.smooth_l1_loss(resized, wanted)
    directions = 1 - F.cosine_similarity(resized, wanted, dim=1).mean()
    return _LENGTHS * lengths + _DIRECTIONS * directions
