"""What a method is: networks as engines, and one step over a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from advent_dist.methods.parts import Need, Parts
from advent_dist.parallel.engine import Engine, Kept
from advent_dist.types import Metrics, PairedImages

Batch = TypeVar("Batch", bound=PairedImages, contravariant=True)


class Method(Protocol[Batch]):
    """An adaptation method, ready to train on one kind of batches."""

    @property
    def engines(self) -> Mapping[str, Engine]:
        """Every network that trains, by name; `segmenter` or `detector` is one."""

    @property
    def kept(self) -> Mapping[str, Kept]:
        """Every network under the name that its checkpoint bears: engines, and averages of them."""

    def step(self, batch: Batch) -> Metrics:
        """Learn from one micro-batch on the engines' device.

        Returns:
            The losses before weighting, 0-d tensors on the device. It never waits for them.
        """


class MethodClass(Protocol):
    """What makes a method of its config: the class itself."""

    needs: frozenset[Need]
    """What it is made of besides the engines of every method."""

    def __call__(self, config: Any, parts: Parts) -> Method[Any]:
        """The method, with its own config."""
