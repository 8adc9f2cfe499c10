"""ClassMix: half of the classes of one image are pasted into another (arXiv 2007.07936)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

_VALUES = 256
"""Of a label; 255, no class, counts as one, as published: its pixels are pasted and ignored."""


def choose_classes(
    labels: UInt8[Tensor, "n h w"],
    draws: Float[Tensor, "n 256"],
    among: Literal["image", "batch"] = "image",
) -> Bool[Tensor, "n 256"]:
    """Half of the classes that are there, rounded up, for each image.

    Nothing waits for the device.

    Args:
        labels: the source's.
        draws: uniform in [0, 1), one an image and class.
        among: the classes of the image itself (DACS), or those of the whole batch (the code of
            DAFormer and MIC), of which an image may have less than half.

    Returns:
        Whether a class is to be pasted.
    """
    n = len(labels)
    there = torch.zeros(n, _VALUES, dtype=torch.bool, device=labels.device)
    there.scatter_(1, labels.flatten(1).long(), value=True)
    if among == "batch":
        there = there.any(dim=0).expand(n, -1)
    half = (there.sum(dim=1, keepdim=True) + 1) // 2
    # Drawn without replacement: those of the largest draws among what is there.
    places = torch.where(there, draws, -1.0).argsort(dim=1, descending=True).argsort(dim=1)
    return places < half


def paste(chosen: Bool[Tensor, "n 256"], labels: UInt8[Tensor, "n h w"]) -> Bool[Tensor, "n h w"]:
    """The pixels of the chosen classes."""
    return chosen.gather(1, labels.flatten(1).long()).view_as(labels)
