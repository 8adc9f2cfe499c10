"""An evaluation's batches on ranks that must make equally many forward passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from jaxtyping import Shaped
from torch import Tensor

from advent_dist.config import Size
from advent_dist.types import BoxEvaluationBatch, EvaluationBatch

B = TypeVar("B", EvaluationBatch, BoxEvaluationBatch)


def in_step(
    batches: Iterable[B], any_left: Callable[[bool], bool] | None, size: Size | None
) -> Iterator[tuple[Shaped[Tensor, "n 3 h w"], B | None]]:
    """Images with their batches, then images without as long as another rank has some.

    Args:
        batches: this rank's.
        any_left: says whether any rank has a batch left, told whether this one has; collective.
            None is for models that each rank has whole: nothing follows the batches then.
        size: width, height of the black image of a rank that never had a batch.

    Raises:
        ValueError: `any_left` comes without `size`.
    """
    if any_left is None:
        yield from ((batch.image, batch) for batch in batches)
        return
    if size is None:
        raise ValueError("evaluate(any_left=...) needs size, of a rank's image without batches")
    width, height = size
    image = torch.zeros(1, 3, height, width, dtype=torch.uint8)
    for batch in batches:
        any_left(True)
        image = batch.image[:1]
        yield batch.image, batch
    while any_left(False):
        yield image, None
