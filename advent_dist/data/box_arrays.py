"""The boxes of one image as arrays: what files hold, what moves, and what goes between processes.

Not as tensors, of which each one takes a file descriptor on its way from a loader process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from advent_dist.types import Boxes


class BoxArrays(NamedTuple):
    """As `types.Boxes` has them."""

    xyxy: npt.NDArray[np.float32]
    """float32 [k, 4], left, top, right and bottom edge in pixels from the upper left corner."""

    label: npt.NDArray[np.int64]
    """int64 [k], train ids."""

    ignore: npt.NDArray[np.bool_]
    """bool [k], neither learnt from nor scored."""

    @property
    def num_boxes(self) -> int:
        """How many there are, k."""
        return len(self.label)

    def chosen(self, which: npt.NDArray[np.bool_]) -> BoxArrays:
        """Those of a mask, bool [k]."""
        return BoxArrays(self.xyxy[which], self.label[which], self.ignore[which])

    def tensors(self) -> Boxes:
        """The same boxes as tensors, in the same memory."""
        return Boxes(
            xyxy=torch.from_numpy(self.xyxy),
            label=torch.from_numpy(self.label),
            ignore=torch.from_numpy(self.ignore),
        )


def box_arrays(
    xyxy: Sequence[Sequence[float]] | npt.NDArray[np.floating],
    label: Sequence[int] | npt.NDArray[np.int64],
    ignore: Sequence[bool] | npt.NDArray[np.bool_],
) -> BoxArrays:
    """Boxes of whatever numbers; what float32 can't hold becomes infinite.

    Args:
        xyxy: [k, 4].
        label: [k].
        ignore: [k].
    """
    with np.errstate(over="ignore"):
        edges = np.asarray(xyxy, np.float64).reshape(-1, 4).astype(np.float32)
    return BoxArrays(edges, np.asarray(label, np.int64), np.asarray(ignore, np.bool_))
