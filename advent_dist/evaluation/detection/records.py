"""What an evaluation keeps of each image: average precision needs all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int16

from advent_dist.parallel.world import World
from advent_dist.types import Boxes, Detections


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """The boxes of an image, true ones and those that were found, in its own pixels."""

    key: str
    """Of its sample."""

    found: Float32[np.ndarray, "k 4"]
    """Left, top, right, bottom, the likeliest first."""

    found_label: Int16[np.ndarray, " k"]
    """Train ids."""

    score: Float32[np.ndarray, " k"]
    """Probabilities of the classes."""

    true: Float32[np.ndarray, "m 4"]
    """Left, top, right, bottom; none of an image without labels."""

    true_label: Int16[np.ndarray, " m"]
    """Train ids."""

    ignore: Bool[np.ndarray, " m"]
    """Neither to be found nor not."""

    @classmethod
    def of(cls, key: str, found: Detections, true: Boxes | None) -> ImageRecord:
        """That of one image.

        Args:
            key: of its sample.
            found: on any device.
            true: None where the shards have none.
        """
        boxes = _nothing() if true is None else true
        return cls(
            key=key,
            found=found.xyxy.cpu().numpy(),
            found_label=found.label.cpu().numpy().astype(np.int16),
            score=found.score.cpu().numpy(),
            true=boxes.xyxy.cpu().numpy(),
            true_label=boxes.label.cpu().numpy().astype(np.int16),
            ignore=boxes.ignore.cpu().numpy(),
        )


def _nothing() -> Boxes:
    return Boxes(
        xyxy=torch.zeros(0, 4),
        label=torch.zeros(0, dtype=torch.int64),
        ignore=torch.zeros(0, dtype=torch.bool),
    )


Records = Sequence[ImageRecord]
"""Of an evaluation."""


def gathered(records: Records, world: World) -> list[ImageRecord]:
    """Those of all ranks, the same on each. Collective.

    In the order of their keys: equal scores do not count in another one when there are more ranks.
    The loader deals each image to one rank; two images may have one key, as in shards that somebody
    else made, and both count.
    """
    every = [one for of_rank in world.gather(list(records)) for one in of_rank]
    return sorted(every, key=lambda record: record.key)
