"""Seconds of what a device does, without waiting for it in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Mark:
    """A moment: of a GPU's queue of work, by a CUDA event, or of a CPU."""

    event: torch.cuda.Event | None
    when: float

    def until(self, other: Mark) -> float:
        """Seconds from here to there; the GPU has to have come so far."""
        if self.event is None or other.event is None:
            return other.when - self.when
        return self.event.elapsed_time(other.event) / 1000


class Clock:
    """Takes marks on a device."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._device = device

    def mark(self) -> Mark:
        """The moment when all that was asked of the device before is done."""
        event = None
        if self._on_gpu:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
        return Mark(event, time.perf_counter())

    def wait(self) -> None:
        """Until the device has done all that it was asked."""
        if self._on_gpu:
            torch.cuda.synchronize(self._device)

    def seconds(self, calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
        """The median seconds of each call, taken in turn, after two rounds that don't count."""
        taken: dict[str, list[tuple[Mark, Mark]]] = {name: [] for name in calls}
        for number in range(2 + rounds):
            for name, call in calls.items():
                # Nothing is left in the queue, so that what the CPU is late with counts too.
                self.wait()
                begun = self.mark()
                call()
                if number >= 2:
                    taken[name].append((begun, self.mark()))
        self.wait()
        return {
            name: sorted(begun.until(ended) for begun, ended in pairs)[len(pairs) // 2]
            for name, pairs in taken.items()
        }
