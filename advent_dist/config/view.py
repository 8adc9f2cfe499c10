"""How a trained run looks at images: what its config says, but for what a command asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from advent_dist.config.require import Size, require
from advent_dist.config.sliding import Average

Several = Literal["ensemble", "seeds"]
"""What several runs of one side of a comparison are."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Flags that all commands share which look at images with trained runs."""

    window: Size | None = None
    """Width and height in pixels of windows that slide over the images, which have the size that
    the first run was evaluated at (data.evaluation_size); none takes data.evaluation_window."""

    stride: Size | None = None
    """How far the next window lies to the right, and below; none takes half of --window."""

    average: Average | None = None
    """What the mean is taken of where windows overlap, `logits` or `probabilities`; none takes
    data.evaluation_average."""

    flip: bool = False
    """See each image mirrored, too, and take the mean of the probabilities."""

    scales: tuple[float, ...] = (1.0,)
    """See each image at several sizes, as in --scales 0.75 1 1.25, and take the mean of the
    probabilities."""

    def require_scales(self) -> None:
        """Refuse scales that can't be.

        Raises:
            ConfigError: there is none, or one is not positive.
        """
        fix = "give factors of the size, such as 0.75 1 1.25"
        require(bool(self.scales), "--scales", self.scales, fix)
        require(all(0 < one <= 8 for one in self.scales), "--scales", self.scales, fix)
