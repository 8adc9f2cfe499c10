"""Boxes that move with their image: worked out by hand, and against rectangles that are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from advent_dist.config import AugmentConfig
from advent_dist.data.box_arrays import BoxArrays, box_arrays
from advent_dist.data.box_geometry import cut_boxes, mirror_boxes, resize_boxes
from advent_dist.data.transforms import augment

EDGES = [[10, 20, 30, 40], [0, 0, 100, 80], [90, 70, 100, 80]]


def three() -> BoxArrays:
    return box_arrays(EDGES, [0, 1, 2], [False, True, False])


def test_resizing_by_hand():
    moved = resize_boxes(three(), (100, 80), (50, 160))
    assert moved.xyxy.tolist() == [[5, 40, 15, 80], [0, 0, 50, 160], [45, 140, 50, 160]]
    assert moved.label.tolist() == [0, 1, 2]
    assert moved.ignore.tolist() == [False, True, False]


def test_a_part_keeps_boxes_whose_centre_is_in_it_and_clips_them():
    # Centres are (20, 30), (50, 40), (95, 75): the part from (15, 25) to (75, 65) has two of them.
    moved = cut_boxes(three(), 15, 25, (60, 40))
    assert moved.xyxy.tolist() == [[0, 0, 15, 15], [0, 0, 60, 40]]
    assert moved.label.tolist() == [0, 1]
    # A centre on the edge is not inside.
    assert cut_boxes(three(), 20, 0, (10, 80)).num_boxes == 0
    # More than the image: its boxes are moved, all of them.
    moved = cut_boxes(three(), -5, -7, (200, 200))
    assert moved.xyxy.tolist() == [[15, 27, 35, 47], [5, 7, 105, 87], [95, 77, 105, 87]]


def test_mirroring_by_hand():
    moved = mirror_boxes(three(), 100)
    assert moved.xyxy.tolist() == [[70, 20, 90, 40], [0, 0, 100, 80], [0, 70, 10, 80]]


def test_what_float32_leaves_no_area_of_is_left_out():
    right = np.nextafter(np.float32(1000), np.float32(2000))
    thin = box_arrays([[1000, 10, right, 20]], [0], [False])
    resized = [resize_boxes(thin, (2001, 100), (width, 100)) for width in range(1100, 1200)]
    assert {boxes.num_boxes for boxes in resized} == {0, 1}
    assert all((boxes.xyxy[:, 2] > boxes.xyxy[:, 0]).all() for boxes in resized)


def drawn(box: list[int], width: int, height: int) -> Tensor:
    """A white rectangle on black."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, box[1] : box[3], box[0] : box[2]] = 255
    return image


def extent(image: Tensor) -> list[float]:
    """The bounding box of what is white."""
    rows, columns = np.nonzero((image > 127).all(0).numpy())
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


CHANGES = [
    AugmentConfig(),
    AugmentConfig(flip=1.0),
    AugmentConfig(scale=(0.6, 1.7), flip=0.5),
    AugmentConfig(scale=(0.8, 1.5), crop=(60, 50), flip=0.5),
    AugmentConfig(zoom_out=1.0),
    AugmentConfig(iou_crop=True),
    AugmentConfig(zoom_out=0.5, zoom_out_side=2.0, iou_crop=True, flip=0.5),
    AugmentConfig(scale=(0.8, 1.5), crop=(70, 70), zoom_out=0.5, iou_crop=True, flip=0.5),
]


@pytest.mark.parametrize("config", CHANGES)
def test_a_box_stays_around_what_is_drawn_in_it(config):
    rng = np.random.default_rng(5)
    seen, left_out = [], 0
    for seed in range(30):
        left, top = rng.integers(0, 100), rng.integers(0, 60)
        box = [left, top, left + rng.integers(20, 60), top + rng.integers(20, 40)]
        box = np.minimum(box, [120, 90] * 2).tolist()
        boxes = box_arrays([box], [3], [False])
        moved, kept = augment(
            drawn(box, 120, 90), boxes, (96, 80), config, np.random.default_rng(seed)
        )
        assert isinstance(kept, BoxArrays)
        if not kept.num_boxes:
            left_out += 1
            continue
        assert np.abs(kept.xyxy[0] - extent(moved)).max() <= 1, seed
        assert kept.xyxy.dtype == np.float32
        assert (kept.xyxy >= 0).all()
        assert (kept.xyxy[0, 2:] <= moved.shape[:0:-1]).all()
        seen.append(kept.xyxy.tobytes())
    assert left_out == 0 or config.crop is not None, "other changes keep a box"
    assert left_out < 22
    assert len(set(seen)) > 5


def test_changes_of_boxes_leave_the_draws_of_the_others_alone():
    image = torch.randint(0, 256, (3, 30, 40), dtype=torch.uint8)
    boxes = box_arrays([[5, 5, 20, 20]], [0], [False])
    plain = AugmentConfig(crop=(20, 20), flip=0.5, scale=(0.8, 1.2))
    for seed in range(5):
        mine, _ = augment(image, boxes, (40, 30), plain, np.random.default_rng(seed))
        without, _ = augment(image, None, (40, 30), plain, np.random.default_rng(seed))
        assert torch.equal(mine, without)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 2), (4, 4)])
def test_the_smallest_images_are_seen_too(size):
    width, height = size
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    boxes = box_arrays([[0, 0, width, height]], [0], [False])
    for seed in range(30):
        config = AugmentConfig(zoom_out=0.5, iou_crop=True, flip=0.5)
        moved, kept = augment(image, boxes, (8, 6), config, np.random.default_rng(seed))
        assert moved.shape == (3, 6, 8)
        assert isinstance(kept, BoxArrays)


def test_around_an_image_from_farther_away_is_the_mean_colour():
    image = torch.full((3, 40, 60), 255, dtype=torch.uint8)
    config = AugmentConfig(zoom_out=1.0, flip=0.5)
    shares = []
    for seed in range(20):
        moved, none = augment(image, None, (60, 40), config, np.random.default_rng(seed))
        assert none is None
        white = (moved == 255).all(0)
        shares.append(float(white.float().mean()))
        assert {tuple(colour) for colour in moved[:, ~white].T.tolist()} <= {(123, 117, 104)}
    assert min(shares) < 0.15
    assert max(shares) > 0.3


def test_colours_change_in_the_image_and_not_around_it():
    image = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    plain = AugmentConfig(zoom_out=1.0)
    for seed in range(5):
        config = replace(plain, jitter=0.5)
        changed, _ = augment(image, None, (60, 40), config, np.random.default_rng(seed))
        same, _ = augment(image, None, (60, 40), plain, np.random.default_rng(seed))
        around = (same == torch.tensor([123, 117, 104])[:, None, None]).all(0)
        assert around.any()
        assert torch.equal(changed[:, around], same[:, around])
        assert not torch.equal(changed, same)


def test_torch_draws_go_on_as_if_nothing_was():
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    boxes = box_arrays([[5, 5, 20, 20]], [0], [False])
    before = torch.get_rng_state()
    config = AugmentConfig(zoom_out=1.0, iou_crop=True)
    first, _ = augment(image, boxes, (60, 40), config, np.random.default_rng(3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    again, _ = augment(image, boxes, (60, 40), config, np.random.default_rng(3))
    assert torch.equal(first, again)


def test_parts_keep_a_box_to_a_share():
    """And differ: some show all, some a part; images without boxes stay whole."""
    boxes = box_arrays([[40, 30, 80, 60]], [0], [False])
    image = torch.arange(120, dtype=torch.uint8).expand(3, 90, 120).contiguous()
    config = AugmentConfig(iou_crop=True)
    whole, kept_areas = 0, []
    for seed in range(50):
        moved, kept = augment(image, boxes, (120, 90), config, np.random.default_rng(seed))
        assert isinstance(kept, BoxArrays)
        assert kept.num_boxes == 1
        whole += torch.equal(moved, image)
        x0, y0, x1, y1 = kept.xyxy[0]
        kept_areas.append(float((x1 - x0) * (y1 - y0)))
    assert 3 < whole < 30
    assert max(kept_areas) > 3 * 40 * 30, "parts are seen from nearer"
    for none in (None, box_arrays([], [], [])):
        same, _ = augment(image, none, (120, 90), config, np.random.default_rng(0))
        assert torch.equal(same, image)
