"""SGD that applies its update several times a step, as the published code does unawares.

There, the generator of the encoder's parameters walks all nested modules and yields a parameter
once for each module around it: a bottleneck's convolutions three times, those of its shortcut four
times. PyTorch's SGD (with a warning nowadays) then updates such a parameter three or four times a
step, always with the same gradient. The published learning rates were tuned around this, so that a
faithful run has to do it too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


class RepeatedSGD(torch.optim.SGD):
    """SGD with momentum over parameter groups that name how often they are updated.

    Each group has `repeats`, an int >= 1. Works on sharded groups too: the update is elementwise.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one step: `repeats` updates of each group with its gradients as they are."""
        loss = closure() if closure else None
        groups = self.param_groups
        # ZeRO steps one group after the other, so that each of them has a first step of its own.
        new = {p for group in groups for p in group["params"] if not self.state.get(p)}
        try:
            for repeat in range(max(group["repeats"] for group in groups)):
                self.param_groups = [group for group in groups if group["repeats"] > repeat]
                # A repeated parameter has no momentum yet at any of its first updates.
                for group in self.param_groups:
                    for parameter in new.intersection(group["params"]):
                        self.state.pop(parameter, None)
                super().step()
        finally:
            self.param_groups = groups
        return loss
