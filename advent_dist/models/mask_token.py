"""What a transformer sees of hidden patches (DINOv2; VFM-UDA, arXiv 2406.09896, section 3)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class MaskToken(nn.Module):
    """One learned token that takes the place of hidden ones, 0 at first.

    A module and not a parameter of another one: ZeRO-3 gathers parameters of what is *called*.

    Args:
        width: d, channels of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(width))

    def forward(
        self, patches: Float[Tensor, "n *grid d"], hidden: Bool[Tensor, "n i j"]
    ) -> Float[Tensor, "n *grid d"]:
        """The patches, and the token where they are hidden.

        Args:
            patches: embedded, without positions; the grid is i, j or i * j.
            hidden: which are.
        """
        where = hidden.reshape(*patches.shape[:-1], 1)
        return torch.where(where, self.token.to(patches.dtype), patches)
