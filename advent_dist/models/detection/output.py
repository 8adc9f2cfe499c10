"""What a detector says of images, before boxes are made of it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Level(NamedTuple):
    """A map of features, at each cell of which boxes are looked for."""

    height: int
    """Its cells from top to bottom."""

    width: int
    """Its cells from left to right."""

    anchors_per_cell: int
    """Boxes that are looked at in each cell."""

    @property
    def anchors(self) -> int:
        """All of its anchors."""
        return self.height * self.width * self.anchors_per_cell


class DetectorOutput(NamedTuple):
    """Everything is said of each anchor: a box that is always looked at.

    Anchors are in the order of levels, the finest first; of rows; of cells in a row; of those in a
    cell. A tuple, in which DeepSpeed finds the tensors.
    """

    class_logits: Tensor
    """fp32 [n, anchors, C + 1], of which the first is of the background."""

    box_regression: Tensor
    """fp32 [n, anchors, 4], how the box differs from the anchor, as `BoxCoder` of torchvision."""

    anchors: Tensor
    """fp32 [anchors, 4], left, top, right, bottom in pixels of the images; they may stick out."""

    levels: tuple[Level, ...]
    """The maps that the anchors lie on."""

    size: tuple[int, int]
    """Height, width of the images."""

    def logits_of(self, level: int) -> Tensor:
        """The class logits of a level's anchors, [n, its anchors, C + 1]."""
        start = sum(one.anchors for one in self.levels[:level])
        return self.class_logits.narrow(1, start, self.levels[level].anchors)
