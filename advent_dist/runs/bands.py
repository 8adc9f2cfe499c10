"""What models make of one image, at its own size: in bands of rows, whatever that size is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from advent_dist.models.upsampling import CoarseLogits

CoarsePredictor = Callable[[Tensor], CoarseLogits]
"""images uint8 [n, 3, h, w] -> the main head's logits, not yet upsampled."""

_BAND_PIXELS = 2**16
"""Of the rows that are upsampled at a time: 5 MB of logits of 19 classes."""


def logit_bands(
    predictors: Sequence[CoarsePredictor],
    image: UInt8[Tensor, "1 3 h w"],
    shape: tuple[int, int],
) -> Iterator[tuple[slice, Float[Tensor, "1 c _ j"]]]:
    """Rows and their logits, from top to bottom; several models are averaged, logits by logits.

    Args:
        predictors: the models, in eval mode.
        image: as the models take it.
        shape: height, width of the image's own size.
    """
    with torch.no_grad():  # and not around what is yielded, where it would hold for the caller
        coarse = [predict(image) for predict in predictors]
    yield from bands_of(coarse, shape)


def bands_of(
    coarse: Sequence[CoarseLogits], shape: tuple[int, int]
) -> Iterator[tuple[slice, Float[Tensor, "1 c _ j"]]]:
    """The same of what models have made of an image already; see `logit_bands`."""
    rows = max(1, _BAND_PIXELS // shape[1])
    bands = zip(*(one.bands(shape, rows) for one in coarse), strict=True)
    for start, band in zip(range(0, shape[0], rows), bands, strict=True):
        yield slice(start, start + rows), torch.stack(band).mean(0)
