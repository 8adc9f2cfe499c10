"""Draws of PyTorch's generator of the CPU, taken to where the images are."""

from __future__ import annotations

import torch
from torch import Tensor


def on_device(draws: Tensor, device: torch.device) -> Tensor:
    """The same values on a device, without waiting for it.

    Args:
        draws: of the CPU.
        device: where to.
    """
    # From other memory than pinned a copy may wait for what the GPU has yet to do.
    held = draws.pin_memory() if device.type == "cuda" else draws
    return held.to(device, non_blocking=True)
