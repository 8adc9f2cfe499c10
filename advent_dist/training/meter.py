"""The numbers between two reports: mean losses, throughput, waiting for data.

Nothing is read from the device before a report is due.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from advent_dist.errors import DivergedError
from advent_dist.parallel.world import World
from advent_dist.types import Metrics, PairedImages


@dataclass
class Meter:
    """Collects what the steps return; `read` sums it up over the ranks and starts anew."""

    world: World
    _names: tuple[str, ...] = ()
    _values: list[Tensor] = field(default_factory=list)
    _steps: list[tuple[int, str]] = field(default_factory=list)
    _samples: int = 0
    _optimizer_steps: int = 0
    _busy_s: float = 0.0
    _waiting_s: float = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time spent waiting for a batch."""
        start = time.perf_counter()
        yield
        self._waiting_s += time.perf_counter() - start

    @contextmanager
    def training(self) -> Iterator[None]:
        """Time spent on one optimiser step, the waiting included."""
        start = time.perf_counter()
        yield
        self._busy_s += time.perf_counter() - start
        self._optimizer_steps += 1

    def add(self, step: int, batch: PairedImages, metrics: Metrics) -> None:
        """Note one micro-batch of optimiser step `step`; does not wait for the device."""
        self._names = tuple(metrics)
        self._values.append(torch.stack([value.float() for value in metrics.values()]))
        self._steps.append((step, batch.keys))
        self._samples += len(batch.source_image)

    def read(self) -> dict[str, float]:
        """The means since the last reading over all ranks, and start anew. Collective.

        Returns:
            The metrics of the steps; `samples_per_s`, source images a second over all ranks;
            `step_time_s`, seconds of an optimiser step; `data_wait_fraction`, 0..1.

        Raises:
            DivergedError: on every rank, if a loss of any rank was not finite.
        """
        start = time.perf_counter()
        values = torch.stack(self._values).cpu()
        # Until then the device was at work on the steps, which only gave it work.
        self._busy_s += time.perf_counter() - start
        problem = self.world.first_message(self._not_finite(values))
        if problem:
            raise DivergedError(problem)
        busy_s = max(self._busy_s, 1e-9)
        means = self.world.mean(
            {
                **dict(zip(self._names, values.double().mean(0).tolist(), strict=True)),
                "samples_per_s": self._samples / busy_s,
                "step_time_s": self._busy_s / max(self._optimizer_steps, 1),
                "data_wait_fraction": self._waiting_s / busy_s,
            }
        )
        means["samples_per_s"] *= self.world.size
        self._values, self._steps = [], []
        self._samples, self._optimizer_steps = 0, 0
        self._busy_s, self._waiting_s = 0.0, 0.0
        return means

    def _not_finite(self, values: Tensor) -> str | None:
        """What to tell the user about the first value [steps, metrics] that is not finite."""
        bad = (~values.isfinite()).nonzero()
        if not len(bad):
            return None
        row, column = bad[0].tolist()
        step, keys = self._steps[row]
        return (
            f"{self._names[column]} = {values[row, column].item()} at step {step} on rank "
            f"{self.world.rank}, {keys}. The last checkpoint is intact: "
            "resume from it with a lower learning rate or loss weight"
        )
