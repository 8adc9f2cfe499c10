"""How sure the pixels of all ranks are, ranked by class: where thresholds come from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from advent_dist.parallel.world import World

_STRIDE = 4
"""Every fourth pixel of both directions: logits are upsampled by as much at least, or nearly so."""


def of_all_ranks(
    probabilities: Float[Tensor, "n c h w"], world: World
) -> tuple[Float[Tensor, " m"], Integer[Tensor, " m"]]:
    """Highest probability and its class, of evenly spread pixels of all ranks. Collective."""
    confidence, label = probabilities[:, :, ::_STRIDE, ::_STRIDE].max(1)
    own = torch.stack([confidence.flatten(), label.flatten().to(confidence.dtype)], dim=1)
    values, classes = world.concat(own).unbind(1)
    return values, classes.long()


class Ranking(NamedTuple):
    """Values in groups. Nothing waits for the device."""

    values: Float[Tensor, " m"]
    """One group after the other, descending in each."""

    counts: Integer[Tensor, " g"]
    """How many each group has."""

    @classmethod
    def by_group(
        cls, values: Float[Tensor, " m"], group: Integer[Tensor, " m"], groups: int
    ) -> Ranking:
        """Sort.

        Args:
            values: anything.
            group: that each belongs to, int64 in 0..groups-1.
            groups: g.
        """
        order = values.argsort(descending=True)
        order = order[group[order].argsort(stable=True)]
        counts = torch.zeros(groups, dtype=torch.int64, device=values.device)
        return cls(values[order], counts.scatter_add_(0, group, torch.ones_like(group)))

    def at_portion(self, portion: float) -> Float[Tensor, " g"]:
        """The smallest of each group's highest floor(portion * count) values; of none it is 1."""
        return self._at((self.counts.double() * portion).floor().long() - 1)

    def above_portion(self, portion: float) -> Float[Tensor, " g"]:
        """The value that round((1 - portion) * count) values of the group lie below, or 1."""
        below = (self.counts.double() * (1 - portion)).round().long()
        return self._at(self.counts - 1 - below)

    def _at(self, places: Integer[Tensor, " g"]) -> Float[Tensor, " g"]:
        first = self.counts.cumsum(0) - self.counts
        there = (places >= 0) & (places < self.counts)
        found = self.values[torch.where(there, first + places, 0)]
        return torch.where(there, found, 1.0)
