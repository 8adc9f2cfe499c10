"""All windows as one batch, held to windows that are gone through one by one."""

from __future__ import annotations

import pytest
import torch

from advent_dist.models.sliding import averaged, windows_over
from advent_dist.models.window_grid import WindowGrid

CPU = torch.device("cpu")


@pytest.mark.parametrize("stride", [(16, 16), (40, 32), (64, 48)])
@pytest.mark.parametrize("shape", [(48, 64), (49, 64), (100, 131), (30, 200), (16, 16)])
def test_what_is_cut_and_averaged(shape, stride) -> None:
    window = (64, 48)
    values = torch.randn(2, 3, *shape)
    windows = windows_over(shape, window, stride)
    grid = WindowGrid((2, *shape), window, stride, CPU)
    parts = grid.cut(values)
    assert torch.equal(parts, torch.cat([one.of(values) for one in windows]))
    pieces = torch.randn_like(parts)
    expected = averaged(pieces.reshape(len(windows), 2, *pieces.shape[1:]), windows, shape)
    torch.testing.assert_close(grid.averaged(pieces), expected)


def test_in_cells() -> None:
    grid = WindowGrid((1, 64, 96), (32, 24), (16, 8), CPU).in_cells_of(4)
    plain = WindowGrid((1, 16, 24), (8, 6), (4, 2), CPU)
    assert grid.images == plain.images
    assert torch.equal(grid.rows, plain.rows)
    assert torch.equal(grid.columns, plain.columns)
