"""The rule by which the reference networks were filled, so that no weight file is needed."""

from __future__ import annotations

import zlib

import torch
from torch import nn


@torch.no_grad()
def fill(module: nn.Module, prefix: str) -> None:
    """Fill `module` in place: convolutions by name, their biases 0, BatchNorm affine 1 and 0.

    Args:
        module: a network with the published parameter names.
        prefix: "seg." for the segmenter, "d_aux." or "d_main." for a discriminator.
    """
    for name, parameter in module.named_parameters():
        if parameter.ndim == 4:
            generator = torch.Generator().manual_seed(zlib.crc32((prefix + name).encode()))
            fan_in = parameter[0].numel()
            values = torch.randn(parameter.shape, generator=generator) * (2 / fan_in) ** 0.5
            parameter.copy_(values)
        else:
            parameter.fill_(1.0 if name.endswith("weight") else 0.0)
