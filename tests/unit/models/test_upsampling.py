from __future__ import annotations

import pytest
import torch

from advent_dist.models.upsampling import CoarseLogits


def coarse(i: int, j: int, align_corners: bool, **memory: torch.memory_format) -> CoarseLogits:
    values = 5 * torch.randn(2, 7, i, j, generator=torch.Generator().manual_seed(i * j))
    return CoarseLogits(values=values.contiguous(**memory), align_corners=align_corners)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("shape", "size"),
    [((13, 17), (203, 307)), ((2, 1), (91, 83)), ((64, 9), (65, 200)), ((40, 40), (23, 171))],
    ids=["larger", "of two pixels", "hardly larger", "smaller"],
)
@pytest.mark.parametrize("rows", [1, 16, 1000])
def test_bands_are_the_rows_of_the_whole_to_the_bit(shape, size, align_corners, rows) -> None:
    logits = coarse(*shape, align_corners)
    bands = list(logits.bands(size, rows))
    assert {band.shape[2] for band in bands[:-1]} <= {rows}
    assert torch.equal(torch.cat(bands, dim=2), logits.upsample(size))


@pytest.mark.parametrize(
    ("shape", "memory"),
    [((13, 17), torch.channels_last), ((1, 1), torch.contiguous_format)],
    ids=["channels last", "of one pixel"],
)
@pytest.mark.parametrize("align_corners", [True, False])
def test_other_bands_differ_by_rounding_only(shape, memory, align_corners) -> None:
    logits = coarse(*shape, align_corners, memory_format=memory)
    joined = torch.cat(list(logits.bands((203, 307), 16)), dim=2)
    torch.testing.assert_close(joined, logits.upsample((203, 307)), rtol=1e-6, atol=1e-5)


def test_a_band_is_computed_when_it_is_asked_for() -> None:
    # Whole, this would be 28 GB.
    bands = coarse(3, 4, True).bands((500_000, 1000), 2)
    assert next(bands).shape == (2, 7, 2, 1000)
