"""HRDA and its sliding windows against numbers of the published code."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from advent_dist.config import Sliding
from advent_dist.models.sliding import averaged, slide, windows_over

FOLDER = Path(__file__).parent / "reference" / "methods"
HRDA = {name: torch.from_numpy(value) for name, value in np.load(FOLDER / "hrda.npz").items()}
SLIDE = {name: torch.from_numpy(value) for name, value in np.load(FOLDER / "slide.npz").items()}


def _of_rows_and_columns(images: Tensor) -> SimpleNamespace:
    """The reference's toy network, which knows where in its window a pixel is."""
    rows = torch.arange(images.shape[2]).view(-1, 1).expand(images.shape[2:])
    columns = torch.arange(images.shape[3]).expand(images.shape[2:])
    channels = [
        images[:, 0] + 0.1 * rows,
        2 * images[:, 1] - 0.01 * columns,
        torch.ones_like(images[:, 0]),
    ]
    return SimpleNamespace(main=torch.stack(channels, 1))


def test_sliding_windows() -> None:
    image = SLIDE["image"]
    (height, width), (down, right) = SLIDE["crop"].tolist(), SLIDE["stride"].tolist()
    windows = windows_over((10, 23), (width, height), (right, down))
    starts = [(top, left) for top in SLIDE["y_starts"] for left in SLIDE["x_starts"]]
    assert [(window.top, window.left) for window in windows] == starts
    counts = torch.zeros(10, 23)
    for window in windows:
        window.of(counts).add_(1)
    assert counts.equal(SLIDE["counts"].float())
    found = slide(
        _of_rows_and_columns, image, Sliding(window=(width, height), stride=(right, down))
    )
    torch.testing.assert_close(found.values, SLIDE["output"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.upsample((10, 23)), SLIDE["output"], rtol=1e-6, atol=1e-6)


def test_windows_of_detail() -> None:
    windows = windows_over((64, 96), (48, 32), (24, 16))
    boxes = [(one.top, one.top + one.height, one.left, one.left + one.width) for one in windows]
    assert boxes == [tuple(box) for box in HRDA["slide_boxes"].tolist()]
    large = windows_over((1024, 1024), (512, 512), (256, 256))
    boxes = [(one.top, one.top + one.height, one.left, one.left + one.width) for one in large]
    assert boxes == [tuple(box) for box in HRDA["slide_boxes_1024_crop512"].tolist()]
    cells = [window.in_cells_of(4) for window in windows]
    mean = averaged(HRDA["slide_window_logits"].chunk(len(cells)), cells, (16, 24))
    torch.testing.assert_close(mean, HRDA["slide_hr"], rtol=1e-5, atol=1e-6)
