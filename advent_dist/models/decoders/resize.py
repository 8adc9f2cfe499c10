"""Feature maps brought to one size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resize_to(features: Tensor, like: Tensor) -> Tensor:
    """`features` [n, d, h, w], bilinearly at the height and width of `like`."""
    if features.shape[2:] == like.shape[2:]:
        return features
    return F.interpolate(features, size=like.shape[2:], mode="bilinear", align_corners=False)
