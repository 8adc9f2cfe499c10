from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from advent_dist.config import Sliding
from advent_dist.models.sliding import Window, averaged, main_logits, slide, windows_over


def _itself(images: Tensor, size: Any = None) -> SimpleNamespace:
    return SimpleNamespace(main=images.float())


@pytest.mark.parametrize(
    ("shape", "window", "stride"),
    [((10, 23), (8, 6), (5, 4)), ((7, 7), (7, 7), (1, 1)), ((9, 30), (10, 3), (10, 3))],
    ids=["overlapping", "one", "side by side"],
)
def test_windows_cover_an_image_and_lie_in_it(shape, window, stride) -> None:
    windows = windows_over(shape, window, stride)
    assert len(set(windows)) == len(windows)
    assert all(0 <= one.top <= shape[0] - one.height for one in windows)
    assert all(0 <= one.left <= shape[1] - one.width for one in windows)
    ones = (torch.ones(1, 1, one.height, one.width) for one in windows)
    assert averaged(ones, windows, shape).equal(torch.ones(1, 1, *shape))


def test_a_window_is_no_larger_than_the_image() -> None:
    assert windows_over((4, 9), (6, 8), (3, 4)) == [Window(0, 0, 4, 6), Window(0, 3, 4, 6)]


def test_what_is_cut_out_and_pasted_is_where_it_was() -> None:
    values = torch.arange(60.0).view(1, 1, 6, 10) + 1
    window = Window(top=1, left=4, height=3, width=5)
    pasted = window.pasted(window.of(values), (6, 10))
    assert pasted.shape == values.shape
    assert pasted.sum() == window.of(values).sum()
    assert window.of(pasted).equal(window.of(values))


def test_what_needs_no_surroundings_is_the_same_in_windows() -> None:
    images = torch.randint(0, 256, (2, 3, 12, 17), dtype=torch.uint8)
    sliding = Sliding(window=(6, 5), stride=(3, 2))
    assert torch.equal(slide(_itself, images, sliding).values, images.float())
    whole = main_logits(_itself, images, (12, 17), None)
    torch.testing.assert_close(main_logits(_itself, images, (12, 17), sliding), whole)
    assert main_logits(_itself, images, (30, 40), sliding).shape == (2, 3, 30, 40)


def test_one_window_of_all_images_at_a_time() -> None:
    shapes = []

    def segment(images: Tensor) -> SimpleNamespace:
        shapes.append(tuple(images.shape))
        return _itself(images)

    slide(segment, torch.zeros(3, 3, 8, 8), Sliding(window=(4, 8), stride=(2, 4)))
    assert shapes == [(3, 3, 8, 4)] * 3


def test_probabilities_of_zero_are_no_nan_and_sure_windows_count_once() -> None:
    """A window that is surer by its logits alone does not outvote two others."""
    logits = [torch.tensor([1e4, 0.0]), torch.tensor([0.0, 8.0]), torch.tensor([0.0, 8.0])]
    pieces = iter(one.view(1, 2, 1, 1).expand(1, 2, 4, 4) for one in logits)
    # Three windows that lie upon each other, but for their ends.
    images = torch.zeros(1, 3, 4, 6)
    sliding = Sliding(window=(4, 4), stride=(1, 1), average="probabilities")
    found = slide(lambda _: SimpleNamespace(main=next(pieces)), images, sliding)
    assert found.values.isfinite().all()
    shares = found.upsample((8, 12)).softmax(1)
    assert shares.isfinite().all()
    middle = found.values.softmax(1)[0, :, 0, 2]
    torch.testing.assert_close(middle, torch.tensor([1.0, 2.0]) / 3, rtol=1e-3, atol=0)
    alone = found.values[0, :, 0, 0].softmax(0).tolist()
    assert alone == pytest.approx([1, 0]), "the first window"
