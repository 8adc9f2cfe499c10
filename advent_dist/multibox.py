"""SSD's loss as pure functions: which anchor stands for which box, and how wrong it is.

Nothing here waits for the device: masks weigh, where an index would ask how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torchvision.ops import box_convert, box_iou

from advent_dist.types import Boxes

MATCH_IOU = 0.5
"""IoU from which on an anchor stands for a box (SSD, section 2.2)."""

IGNORE_SHARE = 0.5
"""Share of an anchor's area in one ignored box from which on it is no example of background."""

NEGATIVES_PER_POSITIVE = 3
"""Examples of background for each anchor that stands for a box (SSD, section 2.2)."""

_CENTRE, _SIZE = 10.0, 5.0
"""What differences of centres and of logarithms of sizes are multiplied by: 1 / 0.1, 1 / 0.2."""

BACKGROUND, IGNORED = -1, -2
"""What an anchor stands for that stands for no box."""


class MultiboxLosses(NamedTuple):
    """Both parts of the loss, 0-d tensors."""

    classes: Tensor
    """Cross entropy of anchors that stand for boxes, and of the hardest others."""

    boxes: Tensor
    """Smooth L1 distance of the former to their boxes."""


def multibox_losses(
    class_logits: Float[Tensor, "n a k"],
    box_regression: Float[Tensor, "n a 4"],
    anchors: Float[Tensor, "a 4"],
    boxes: Sequence[Boxes],
) -> MultiboxLosses:
    """SSD's multibox loss (arXiv 1512.02325, eq. 1 to 3), as torchvision's `SSD.compute_loss`.

    Each sum is divided by the anchors of the whole batch that stand for boxes. Where there is
    none it is 0, and still differentiable: an image without boxes has no negatives either.

    Args:
        class_logits: of C classes and, first, the background.
        box_regression: how boxes differ from anchors.
        anchors: left, top, right, bottom in pixels of the images.
        boxes: of each of n images, in the same pixels.

    Returns:
        The losses before they are weighted.
    """
    matched = [match(anchors, of_image) for of_image in boxes]
    labels = torch.stack(
        [_labels(one, of_image) for one, of_image in zip(matched, boxes, strict=True)]
    )
    wanted = torch.stack(
        [_differences(one, of_image, anchors) for one, of_image in zip(matched, boxes, strict=True)]
    )
    ignored = torch.stack(matched) == IGNORED
    positive = labels > 0
    count = positive.sum().clamp(min=1)
    errors = F.cross_entropy(class_logits.transpose(1, 2), labels, reduction="none")
    chosen = positive | _hardest(errors.detach(), positive, ignored)
    distances = F.smooth_l1_loss(box_regression, wanted, reduction="none").sum(-1)
    return MultiboxLosses(
        classes=torch.where(chosen, errors, 0.0).sum() / count,
        boxes=torch.where(positive, distances, 0.0).sum() / count,
    )


def match(anchors: Float[Tensor, "a 4"], boxes: Boxes) -> Int64[Tensor, " a"]:
    """What each anchor of an image stands for.

    The box that it overlaps most, if by `MATCH_IOU`; and each box has at least the anchor that
    overlaps it most, the later one where that is wanted by two (as torchvision's `SSDMatcher`).

    Args:
        anchors: in pixels of the image.
        boxes: its boxes; ignored ones are stood for by none.

    Returns:
        A box's place, `BACKGROUND` or `IGNORED`.
    """
    nothing = anchors.new_full((len(anchors),), BACKGROUND, dtype=torch.int64)
    if not len(boxes.label):
        return nothing
    overlap = box_iou(boxes.xyxy, anchors).masked_fill(boxes.ignore[:, None], -1.0)
    most, box = overlap.max(0)
    matched = torch.where(most >= MATCH_IOU, box, nothing)
    hidden = _shares(boxes.xyxy, anchors).masked_fill(~boxes.ignore[:, None], 0.0).amax(0)
    matched = torch.where((matched == BACKGROUND) & (hidden >= IGNORE_SHARE), IGNORED, matched)
    # The last place is for what ignored boxes want.
    best = torch.where(boxes.ignore, len(anchors), overlap.argmax(1))
    place = torch.arange(len(best), device=best.device)
    forced = F.pad(nothing, (0, 1), value=BACKGROUND).scatter_reduce(0, best, place, "amax")[:-1]
    return torch.where(forced >= 0, forced, matched)


def _shares(boxes: Float[Tensor, "k 4"], anchors: Float[Tensor, "a 4"]) -> Float[Tensor, "k a"]:
    """The share of each anchor's area that lies in each box."""
    low = torch.maximum(boxes[:, None, :2], anchors[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], anchors[None, :, 2:])
    area = (anchors[:, 2:] - anchors[:, :2]).prod(-1)
    return (high - low).clamp(min=0).prod(-1) / area


def _labels(matched: Int64[Tensor, " a"], boxes: Boxes) -> Int64[Tensor, " a"]:
    """Class of each anchor, from 1; 0 where it stands for no box."""
    if not len(boxes.label):
        return torch.zeros_like(matched)
    return torch.where(matched >= 0, boxes.label[matched.clamp(min=0)] + 1, 0)


def _differences(
    matched: Int64[Tensor, " a"], boxes: Boxes, anchors: Float[Tensor, "a 4"]
) -> Float[Tensor, "a 4"]:
    """What each anchor's box should be said to differ by; anything where it stands for none."""
    if not len(boxes.label):
        return torch.zeros_like(anchors)
    of_anchors = box_convert(anchors, "xyxy", "cxcywh")
    of_boxes = box_convert(boxes.xyxy, "xyxy", "cxcywh")[matched.clamp(min=0)]
    centres = (of_boxes[:, :2] - of_anchors[:, :2]) / of_anchors[:, 2:]
    sizes = (of_boxes[:, 2:] / of_anchors[:, 2:]).log()
    return torch.cat((_CENTRE * centres, _SIZE * sizes), 1)


def _hardest(
    errors: Float[Tensor, "n a"], positive: Bool[Tensor, "n a"], ignored: Bool[Tensor, "n a"]
) -> Bool[Tensor, "n a"]:
    """The background's anchors of the largest errors, so many for each positive of an image."""
    background = ~(positive | ignored)
    hardness = errors.masked_fill(~background, -torch.inf)
    rank = hardness.argsort(dim=1, descending=True).argsort(dim=1)
    return background & (rank < NEGATIVES_PER_POSITIVE * positive.sum(1, keepdim=True))
