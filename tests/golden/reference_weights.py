"""The rule by which the reference networks were filled, so that no weight file is needed."""

from __future__ import annotations

import zlib

import torch
from torch import nn


@torch.no_grad()
def fill(module: nn.Module, prefix: str) -> None:
    """Fill `module` in place: weights of layers by name, their biases 0, those of norms 1 and 0.

    Args:
        module: a network with the published parameter names.
        prefix: "seg." for the segmenter, "d_aux." or "d_main." for a discriminator.
    """
    for name, parameter in module.named_parameters():
        if parameter.ndim >= 2:
            generator = torch.Generator().manual_seed(zlib.crc32((prefix + name).encode()))
            values = torch.randn(parameter.shape, generator=generator)
            gain = 2 if parameter.ndim == 4 else 1
            parameter.copy_(values * (gain / parameter[0].numel()) ** 0.5)
        else:
            parameter.fill_(1.0 if name.endswith("weight") else 0.0)
