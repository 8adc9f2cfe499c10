from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from advent_dist.errors import DataError
from advent_dist.evaluation.metrics import (
    auroc,
    boundary_mask,
    confusion_matrix,
    histogram,
    iou,
    mean_iou,
    require_train_ids,
    scattered_histogram,
)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_confusion_matrix_has_the_label_in_its_rows(dtype: torch.dtype) -> None:
    label = torch.tensor([[0, 0, 1], [2, 255, 1]], dtype=dtype)
    prediction = torch.tensor([[0, 1, 1], [0, 2, 1]], dtype=dtype)
    expected = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert confusion_matrix(prediction, label, 3).tolist() == expected


def test_confusion_matrix_leaves_the_label_alone() -> None:
    label = torch.tensor([0, 1, 255], dtype=torch.int32)
    confusion_matrix(torch.zeros_like(label), label, 2)
    assert label.tolist() == [0, 1, 255]


def test_confusion_matrix_does_not_overflow_bytes() -> None:
    everywhere = torch.full((4, 4), 18, dtype=torch.uint8)
    assert confusion_matrix(everywhere, everywhere, 19)[18, 18] == 16


def test_confusion_matrix_of_ignored_pixels_is_zero() -> None:
    label = torch.full((2, 3), 255, dtype=torch.uint8)
    assert confusion_matrix(torch.zeros_like(label), label, 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("train_id", [3, 254])
def test_labels_beyond_the_class_set_are_refused(train_id: int) -> None:
    require_train_ids(torch.tensor([[0, 2, 255]], dtype=torch.uint8), 3)
    require_train_ids(torch.tensor([[254, 255]], dtype=torch.uint8), 255)
    with pytest.raises(DataError, match="beyond 2"):
        require_train_ids(torch.tensor([[0, train_id]], dtype=torch.uint8), 3)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_both_histograms_are_the_same(dtype: torch.dtype) -> None:
    values = torch.randint(0, 200, (3, 50, 70)).to(dtype)
    found = scattered_histogram(values, 210)
    assert found.dtype == torch.int64
    assert torch.equal(found, histogram(values, 210))
    assert found.tolist() == [int((values == number).sum()) for number in range(210)]
    assert torch.equal(scattered_histogram(values[:0], 3), torch.zeros(3, dtype=torch.int64))


def test_iou_of_a_known_matrix() -> None:
    confusion = torch.tensor([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    values = iou(confusion).tolist()
    assert values[:2] == pytest.approx([100 * 3 / 6, 100 * 4 / 7])
    assert math.isnan(values[2])


def test_a_class_that_is_only_predicted_counts_as_zero() -> None:
    confusion = torch.tensor([[3, 1], [0, 0]])
    assert iou(confusion).tolist() == [75.0, 0.0]
    assert mean_iou(confusion).item() == 37.5


def test_mean_iou_leaves_out_absent_classes() -> None:
    confusion = torch.diag(torch.tensor([5, 0, 2]))
    assert mean_iou(confusion).item() == 100.0
    assert math.isnan(mean_iou(confusion, [1]).item())


def test_subset_keeps_confusions_with_classes_outside_it() -> None:
    confusion = torch.tensor([[6, 0, 2], [0, 5, 0], [2, 0, 9]])
    assert mean_iou(confusion, (0, 1)).item() == pytest.approx((60 + 100) / 2)


def test_auroc_of_separate_and_of_equal_histograms() -> None:
    low, high = torch.tensor([4, 2, 0, 0]), torch.tensor([0, 0, 1, 7])
    assert auroc(positives=high, negatives=low).item() == 1.0
    assert auroc(positives=low, negatives=high).item() == 0.0
    assert auroc(positives=low, negatives=low).item() == 0.5
    assert math.isnan(auroc(positives=torch.zeros_like(low), negatives=low).item())


_SCORES = st.lists(st.integers(0, 9), min_size=1, max_size=20)


@given(positives=_SCORES, negatives=_SCORES)
@settings(max_examples=50, deadline=None)
def test_auroc_is_the_share_of_pairs_in_order(positives: list[int], negatives: list[int]) -> None:
    pairs = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    histograms = [torch.bincount(torch.tensor(s), minlength=10) for s in (positives, negatives)]
    assert auroc(*histograms).item() == pytest.approx(sum(pairs) / len(pairs))


def test_boundary_is_the_band_on_both_sides_of_a_border() -> None:
    label = torch.zeros(1, 6, 10, dtype=torch.uint8)
    label[:, :, 5:] = 1
    columns = boundary_mask(label, 2)[0]
    assert columns.tolist() == [[3 <= column < 7 for column in range(10)]] * 6


@pytest.mark.parametrize("size", [(9, 11), (2, 7), (1, 1)])
def test_boundary_is_what_the_squares_around_pixels_hold(size: tuple[int, int]) -> None:
    height, width = size
    label = torch.randint(0, 3, (4, height, width), generator=torch.Generator().manual_seed(2))
    label[label == 2] = 255
    found = boundary_mask(label.byte(), 2)
    for image, row, column in itertools.product(range(4), range(height), range(width)):
        square = label[image, max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        own = label[image, row, column]
        other = ((square != own) & (square != 255)).any() and own != 255
        assert found[image, row, column] == other


def test_ignored_pixels_make_no_boundary() -> None:
    label = torch.zeros(1, 5, 12, dtype=torch.uint8)
    label[:, :, 4:8] = 255
    label[:, :, 8:] = 1
    assert not boundary_mask(label, 2).any()
    label[:, :, 5:] = 1
    # One ignored column is left, between classes that lie two pixels apart.
    assert boundary_mask(label, 2)[0, 0].nonzero().flatten().tolist() == [3, 5]
