"""From a detector's output to boxes: probable ones, of which no two mean the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import batched_nms, clip_boxes_to_image

from advent_dist.models.detection.output import DetectorOutput
from advent_dist.types import Detections

BOX_CODER = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
"""Turns boxes into differences to anchors, and back (SSD, arXiv 1512.02325, eq. 2)."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Which boxes are left of all anchors, in this order."""

    score_threshold: float
    """Boxes of a class are as probable as this, or more."""

    candidates: int
    """At most so many of each class and image, the likeliest."""

    nms_threshold: float
    """IoU from which on the less likely of two boxes of a class goes."""

    boxes: int
    """At most so many of an image."""


def decode(
    output: DetectorOutput, sizes: Sequence[tuple[int, int]], decoding: Decoding
) -> list[Detections]:
    """What torchvision's `SSD.postprocess_detections` makes of it.

    Args:
        output: of n images.
        sizes: width, height of each image as it was stored, which boxes are given in.
        decoding: thresholds.

    Returns:
        One for each image, on the output's device.
    """
    probabilities = output.class_logits.softmax(-1)
    height, width = output.size
    found = []
    for scores, regression, size in zip(probabilities, output.box_regression, sizes, strict=True):
        boxes = BOX_CODER.decode_single(regression, output.anchors)
        boxes = clip_boxes_to_image(boxes, output.size)
        scale = boxes.new_tensor([size[0] / width, size[1] / height]).repeat(2)
        found.append(_likeliest(boxes, scores, decoding, scale))
    return found


def _likeliest(
    boxes: Float32[Tensor, "a 4"],
    scores: Float32[Tensor, "a k"],
    decoding: Decoding,
    scale: Float32[Tensor, " four"],
) -> Detections:
    """Of one image; `scale` turns its pixels into those that are asked for."""
    of_classes = scores[:, 1:].T
    top = of_classes.topk(min(decoding.candidates, of_classes.shape[1]), dim=1)
    probable = top.values > decoding.score_threshold
    label = torch.arange(len(of_classes), device=boxes.device)[:, None].expand_as(probable)
    label, score, chosen = label[probable], top.values[probable], boxes[top.indices[probable]]
    kept = batched_nms(chosen, score, label, decoding.nms_threshold)[: decoding.boxes]
    return Detections(xyxy=chosen[kept] * scale, label=label[kept], score=score[kept])
