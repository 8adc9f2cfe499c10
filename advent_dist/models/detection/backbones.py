"""The blocks of a detector's backbone: those of the classifier that it was made of."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import nn
from torchvision.models.detection.ssd import SSDFeatureExtractorVGG

from advent_dist.models.checkpointing import Recomputed, checkpoint_module, checkpoint_pieces


def blocks_of_backbone(backbone: nn.Module) -> list[list[nn.Module]]:
    """The modules of each block, the shallowest first.

    VGG-16 has five, conv1 to conv5; MobileNetV3-Large has 17, its `features`, the 14th of which the
    detector has in two parts. What the detector adds to them, such as fc6 and fc7, is in none.

    Args:
        backbone: of torchvision's SSD or SSDlite.
    """
    if isinstance(backbone, SSDFeatureExtractorVGG):
        layers = [*backbone.features, *backbone.extra[0][:-1]]
        starts = [*_pieces(layers), len(layers)]
        return [layers[start:stop] for start, stop in pairwise(starts)]
    rows: Any = backbone.features
    *shallow, expansion = rows[0]
    rest, *deep = rows[1]
    return [*([one] for one in shallow), [expansion, rest], *([one] for one in deep)]


def checkpoint_backbone(backbone: nn.Module, recomputed: Recomputed = "all") -> None:
    """Make the blocks recompute their activations in the backward pass, from now on."""
    if isinstance(backbone, SSDFeatureExtractorVGG):
        checkpoint_pieces(backbone.features, _pieces(list(backbone.features)), recomputed)
        checkpoint_module(backbone.extra[0], recomputed)
        return
    for block in blocks_of_backbone(backbone):
        for module in block:
            checkpoint_module(module, recomputed)


def _pieces(layers: list[nn.Module]) -> list[int]:
    """Where the blocks of a VGG begin: each but the first with a pooling."""
    return [
        0,
        *(place for place, one in enumerate(layers) if isinstance(one, nn.MaxPool2d) and place),
    ]
