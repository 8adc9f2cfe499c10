from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from advent_dist.evaluation.counts import evaluate
from advent_dist.evaluation.overlap import Overlaps
from advent_dist.evaluation.per_image import overlaps_of
from tests.unit.evaluation.test_counts import CLASSES, CPU, Linear, batches


def test_the_sum_over_images_is_that_of_a_normal_evaluation() -> None:
    """Batches of several images, and a side that is an ensemble."""
    sides = [[Linear(1)], [Linear(2), Linear(3)]]
    images = batches([3, 1, 2])
    found = overlaps_of(sides, images, CLASSES, CPU)
    for side, one in zip(sides, found, strict=True):
        confusion = evaluate(side, images, CLASSES, CPU).labels.confusion
        inner = confusion.diagonal()
        outer = confusion.sum(0) + confusion.sum(1) - inner
        assert torch.tensor(one.intersection).sum(0).tolist() == inner.tolist()
        assert torch.tensor(one.union).sum(0).tolist() == outer.tolist()
    assert found[0] != found[1]


def test_each_image_is_counted_by_itself() -> None:
    together = batches([3])
    (whole,) = overlaps_of([[Linear(1)]], together, CLASSES, CPU)
    assert whole.keys == ("0_0", "0_1", "0_2")
    for row in range(3):
        batch = replace(
            together[0],
            image=together[0].image[row : row + 1],
            label=together[0].label[row : row + 1],
            keys=together[0].keys[row : row + 1],
        )
        (one,) = overlaps_of([[Linear(1)]], [batch], CLASSES, CPU)
        assert (one.keys[0], one.intersection[0], one.union[0]) == (
            whole.keys[row],
            whole.intersection[row],
            whole.union[row],
        )


GOOD = {"keys": ["a", "b"], "intersection": [[1, 2], [0, 0]], "union": [[1, 3], [0, 5]]}


def test_json_and_back() -> None:
    read = TypeAdapter(Overlaps).validate_python(GOOD)
    assert asdict(read) == {name: tuple(map(_frozen, rows)) for name, rows in GOOD.items()}


def _frozen(row: object) -> object:
    return tuple(row) if isinstance(row, list) else row


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": ["a"]}, "different numbers of images or classes"),
        ({"union": [[1, 3], [0]]}, "different numbers of images or classes"),
        ({"union": [[1, 1], [0, 5]]}, "more pixels than its union"),
        ({"union": [[1, -1], [0, 5]]}, "greater than or equal to 0"),
        ({"union": [[1, 2**60], [0, 5]]}, "less than"),
        ({"keys": [1, 2]}, "valid string"),
        ({"intersection": 3}, "valid tuple"),
    ],
)
def test_what_no_evaluation_counts_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Overlaps).validate_python(GOOD | change)
