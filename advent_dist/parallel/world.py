"""Which rank this process is, and the few collectives that everything above the engines needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class World:
    """This process among the ranks of a run. Alone, no process group is needed."""

    rank: int = 0
    """0..size-1."""

    size: int = 1
    """Number of ranks."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where this rank computes."""

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, the one that writes."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """The sum of `value` over all ranks, in place. Collective."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def concat(self, value: Tensor) -> Tensor:
        """The ranks' `value`s, all of one shape, one after the other in dimension 0. Collective."""
        if self.size == 1:
            return value
        parts = [torch.empty_like(value) for _ in range(self.size)]
        dist.all_gather(parts, value.contiguous())
        return torch.cat(parts)

    def mean(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The mean of each metric over all ranks, which must name the same ones. Collective."""
        names = sorted(metrics)
        values = torch.tensor([metrics[name] for name in names], dtype=torch.float64)
        if self.size > 1:
            values = self.sum(values.to(self.device)).cpu() / self.size
        return dict(zip(names, values.tolist(), strict=True))

    def any(self, holds: bool) -> bool:
        """Whether it holds on any rank. Collective."""
        if self.size > 1:
            holds = bool(self.sum(torch.tensor(int(holds), device=self.device)))
        return holds

    def first_message(self, message: str | None) -> str | None:
        """The message of the lowest rank that has one: all ranks can fail alike. Collective."""
        return next((text for text in self.gather(message) if text is not None), None)

    def gather(self, value: T) -> list[T]:
        """Every rank's `value`, in their order. Collective."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait for all ranks. Collective."""
        if self.size > 1:
            dist.barrier()
