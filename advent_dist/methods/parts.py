"""What a method is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from advent_dist.methods.frozen import Frozen
from advent_dist.parallel.average import Average
from advent_dist.parallel.engine import Engine, Kept
from advent_dist.parallel.world import World

Need = Literal["discriminators", "teacher", "initial", "extractor"]
"""What not every method has; see `Parts`."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a method is made of; of what may be none it has what its class `needs`."""

    engines: Mapping[str, Engine]
    """`segmenter`, and of the discriminators `discriminator` and, multi-level,
    `discriminator_aux`; beside an extractor also `distillation`, which turns the segmenter's
    features into its. Or `detector`, and `discriminator0` for its finest map, `discriminator1`, and
    so on."""

    source_prior: Tensor
    """The source's class frequencies, float32 [C], summing to 1."""

    world: World = field(default_factory=World)
    """This rank."""

    teacher: Average | None = None
    """An average of the segmenter, before its first update."""

    initial: Frozen | None = None
    """The segmenter as it was before training."""

    extractor: Frozen | None = None
    """Another, larger one."""

    @property
    def kept(self) -> dict[str, Kept]:
        """The networks that checkpoints keep; `initial` and `extractor` are made anew."""
        kept: dict[str, Kept] = dict(self.engines)
        return kept if self.teacher is None else kept | {"teacher": self.teacher}
