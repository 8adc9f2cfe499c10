"""Models that look at images one by one, and label them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Integer, UInt8
from torch import Tensor

from advent_dist.config import Size
from advent_dist.data.resizing import resize_image
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.runs.bands import CoarsePredictor, logit_bands
from advent_dist.runs.labelling.rules import Rule


class Look(NamedTuple):
    """What a model makes of an image."""

    confidence: Float[Tensor, "h w"]
    """float32, the highest probability of each pixel."""

    label: Integer[Tensor, "h w"]
    """The class that has it."""

    entropy: float
    """Normalised, the mean over the pixels."""


class Labeller:
    """Several models are averaged, logits by logits.

    Args:
        predictors: the models, in eval mode.
        size: width, height that images are resized to for them.
        device: where they are.
    """

    def __init__(
        self, predictors: Sequence[CoarsePredictor], size: Size, device: torch.device
    ) -> None:
        self._predictors = predictors
        self._size = size
        self._device = device

    def look(self, image: UInt8[Tensor, "3 h w"]) -> Look:
        """Each pixel at the image's own size, on the CPU."""
        shape = (image.shape[1], image.shape[2])
        confidence = torch.empty(shape)
        label = torch.empty(shape, dtype=torch.uint8)
        entropy = 0.0
        for rows, logits in self._bands(image):
            confidence[rows], label[rows] = (one[0] for one in logits.softmax(1).max(1))
            entropy += pixel_entropy(logits).sum(dtype=torch.float64).item()
        return Look(confidence, label, entropy / label.numel())

    def label(
        self, image: UInt8[Tensor, "3 h w"], rule: Rule, thresholds: Float[Tensor, " c"]
    ) -> npt.NDArray[np.uint8]:
        """uint8 [h, w], a class or 255, at the image's own size."""
        label = torch.empty((image.shape[1], image.shape[2]), dtype=torch.uint8)
        thresholds = thresholds.to(self._device)
        for rows, logits in self._bands(image):
            label[rows] = rule.label(logits.softmax(1), thresholds)[0]
        return label.numpy()

    def _bands(self, image: Tensor) -> Iterator[tuple[slice, Tensor]]:
        resized = resize_image(image, self._size)[None].to(self._device)
        return logit_bands(self._predictors, resized, (image.shape[1], image.shape[2]))
