"""SSD's loss is torchvision's, and knows images without boxes and boxes that are ignored."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.ops import box_iou

from advent_dist.multibox import BACKGROUND, IGNORED, match, multibox_losses
from advent_dist.types import Boxes

CLASSES = 3
SIDE = 8
"""Cells of a toy's map."""


def boxes_of(xyxy: Tensor, ignore: list[bool] | None = None) -> Boxes:
    flags = [False] * len(xyxy) if ignore is None else ignore
    return Boxes(
        xyxy=xyxy,
        label=torch.arange(len(xyxy)) % CLASSES,
        ignore=torch.tensor(flags, dtype=torch.bool),
    )


def random_boxes(count: int, seed: int = 0) -> Boxes:
    random = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=random) * 60
    size = 4 + torch.rand(count, 2, generator=random) * 30
    return boxes_of(torch.cat((corner, corner + size), 1))


def anchors() -> Tensor:
    """[2 * SIDE * SIDE, 4] small and larger squares on an image of 96 x 96."""
    cells = (torch.arange(SIDE) + 0.5) * 96 / SIDE
    centre = torch.stack(torch.meshgrid(cells, cells, indexing="xy"), -1).view(-1, 2)
    halves = [centre.new_tensor(half) for half in (6.0, 13.0)]
    return torch.cat([torch.cat((centre - half, centre + half), 1) for half in halves])


@cache
def torchvisions() -> Any:
    with torch.device("meta"):
        return ssdlite320_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=CLASSES + 1
        )


def torchvisions_losses(logits: Tensor, regression: Tensor, boxes: list[Boxes]) -> Tensor:
    """Both, the classes' first."""
    network = torchvisions()
    targets = [{"boxes": one.xyxy, "labels": one.label + 1} for one in boxes]
    matched = [
        network.proposal_matcher(box_iou(one.xyxy, anchors()))
        if len(one.label)
        else torch.full((len(anchors()),), -1)
        for one in boxes
    ]
    said = {"cls_logits": logits, "bbox_regression": regression}
    losses = network.compute_loss(targets, said, [anchors()] * len(boxes), matched)
    return torch.stack([losses["classification"], losses["bbox_regression"]])


def random_outputs(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    count = len(anchors())
    logits = torch.randn(n, count, CLASSES + 1, generator=random)
    return logits.requires_grad_(), torch.randn(n, count, 4, generator=random).requires_grad_()


@pytest.mark.parametrize("counts", [(4,), (2, 7, 1), (0, 3), (0,)])
def test_it_is_torchvisions_loss_with_its_gradients(counts: tuple[int, ...]) -> None:
    boxes = [random_boxes(count, seed) for seed, count in enumerate(counts)]
    ours, theirs = random_outputs(len(counts)), random_outputs(len(counts))
    losses = torch.stack(multibox_losses(*ours, anchors(), boxes))
    expected = torchvisions_losses(*theirs, boxes)
    torch.testing.assert_close(losses, expected, rtol=1e-6, atol=1e-6)
    assert (losses > 0).all() or sum(counts) == 0
    weights = torch.tensor([1.0, 0.5])
    (losses * weights).sum().backward()
    (expected * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_matching_is_torchvisions() -> None:
    for seed in range(20):
        boxes = random_boxes(1 + seed, seed)
        expected = torchvisions().proposal_matcher(box_iou(boxes.xyxy, anchors()))
        assert torch.equal(match(anchors(), boxes), expected)


def test_two_boxes_that_want_one_anchor() -> None:
    """The later one gets it; both overlap no anchor by half."""
    same = torch.tensor([[20.0, 20.0, 22.0, 22.0], [20.0, 20.0, 23.0, 23.0]])
    matched = match(anchors(), boxes_of(same))
    assert matched.max() == 1
    assert (matched >= 0).sum() == 1


def test_no_boxes_give_no_loss_but_a_graph() -> None:
    logits, regression = random_outputs(2)
    losses = multibox_losses(logits, regression, anchors(), [random_boxes(0)] * 2)
    assert losses.classes == losses.boxes == 0
    (losses.classes + losses.boxes).backward()
    assert (logits.grad == 0).all()
    assert (regression.grad == 0).all()


def test_an_ignored_box_is_not_learnt_and_no_background() -> None:
    """Where it covers an anchor by half; the box beside it is learnt as if it were alone."""
    places = torch.tensor([[2.0, 2.0, 14.0, 14.0], [48.0, 48.0, 96.0, 96.0]])
    matched = match(anchors(), boxes_of(places, [False, True]))
    alone = match(anchors(), boxes_of(places[:1]))
    assert torch.equal(matched >= 0, alone >= 0)
    covered = (anchors()[:, :2] >= 48).all(1) & (anchors()[:, 2:] <= 96).all(1)
    assert covered.sum() > 10
    assert (matched[covered] == IGNORED).all()
    outside = (anchors()[:, 2:] <= 48).any(1)
    assert (matched[outside & (alone == BACKGROUND)] == BACKGROUND).all()


def test_hard_negatives_are_not_under_ignored_boxes() -> None:
    logits, regression = random_outputs(1)
    places = torch.tensor([[2.0, 2.0, 14.0, 14.0], [48.0, 48.0, 96.0, 96.0]])
    boxes = boxes_of(places, [False, True])
    hidden = match(anchors(), boxes) == IGNORED
    # The hardest negatives there would be.
    with torch.no_grad():
        logits[0, hidden, 0] = -30.0
    multibox_losses(logits, regression, anchors(), [boxes]).classes.backward()
    assert (logits.grad[0, hidden] == 0).all()
    learnt = (logits.grad[0] != 0).any(-1)
    positive = match(anchors(), boxes) >= 0
    assert learnt.sum() == 4 * positive.sum()
    # Not ignored, the box is matched, and its background is what is hardest.
    logits.grad = None
    multibox_losses(logits, regression, anchors(), [boxes_of(places)]).classes.backward()
    assert (logits.grad[0, hidden] != 0).any()


def test_few_anchors_are_no_negatives_twice() -> None:
    """Three negatives a positive are more than there are: each anchor counts once."""
    few = anchors()[:3]
    boxes = [boxes_of(few[:2].clone())]
    logits = torch.zeros(1, 3, CLASSES + 1)
    losses = multibox_losses(logits, torch.zeros(1, 3, 4), few, boxes)
    torch.testing.assert_close(losses.classes, 3 / 2 * torch.tensor(CLASSES + 1.0).log())


def test_gradients_are_those_of_differences() -> None:
    torch.manual_seed(0)
    few = anchors()[:40].double()
    boxes = Boxes(
        xyxy=few[[3, 9]] + 1.5, label=torch.tensor([0, 2]), ignore=torch.tensor([False, True])
    )
    logits = torch.randn(1, 40, CLASSES + 1, dtype=torch.float64, requires_grad=True)
    regression = torch.randn(1, 40, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *outputs: tuple(multibox_losses(*outputs, few, [boxes])), (logits, regression)
    )
