"""What is added up on the device, over batches and ranks, before anything is read back."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

S = TypeVar("S", bound="Sums")


class Sums:
    """A dataclass of tensors of one device, each a sum."""

    def _tensors(self) -> dict[str, Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __add__(self: S, other: S) -> S:
        theirs = other._tensors()
        return type(self)(**{name: ours + theirs[name] for name, ours in self._tensors().items()})

    def all_reduce(self: S) -> S:
        """The sum over all ranks, in one collective; itself without torch.distributed."""
        if not (dist.is_available() and dist.is_initialized()):
            return self
        tensors = self._tensors()
        # float64 holds integers up to 2**53, far more pixels than any evaluation has.
        flat = torch.cat([tensor.flatten().double() for tensor in tensors.values()])
        dist.all_reduce(flat)
        parts = flat.split_with_sizes([tensor.numel() for tensor in tensors.values()])
        return type(self)(
            **{
                name: part.reshape(tensor.shape).to(tensor.dtype)
                for part, (name, tensor) in zip(parts, tensors.items(), strict=True)
            }
        )
