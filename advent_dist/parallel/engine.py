"""The engine: one network with its optimiser, however it is executed. Methods see nothing else.

output = engine(images)              # forward through the engine's hooks
with engine.frozen() as module:      # forward that gives gradients to the input, not to the weights
    fooling = module(maps)
engine.backward(one, more=True)      # of several losses the graph of one lives at a time
engine.backward(other)
engine.step()                        # updates at the end of an accumulation window
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Kept(Protocol):
    """A network that a run's checkpoints keep."""

    @property
    def module(self) -> nn.Module:
        """The network itself. Its parameters may be sharded."""

    def save(self, folder: Path) -> None:
        """Write this rank's part of what is trained and of its optimiser state. Collective.

        Buffers, which are each rank's own, and parameters that nothing trains are not in it.

        Args:
            folder: a new file of it is written.
        """

    def load(self, files: Sequence[Path], weights: Path | None = None) -> None:
        """Read what all ranks' `save` wrote: any number, at any ZeRO stage or none. Collective.

        Args:
            files: theirs.
            weights: a safetensors file that has the parameters by name that are not in `files`;
                none where there are no such parameters.
        """


class Engine(Kept, Protocol):
    """A network, its optimiser and the way that both are executed."""

    def __call__(self, *args: Any) -> Any:
        """The network's forward pass."""

    def frozen(self) -> AbstractContextManager[nn.Module]:
        """The network with constant weights: gradients flow through it to its input only."""

    def backward(self, loss: Tensor, *, more: bool = False) -> None:
        """Add the gradients of `loss` (0-d) divided by the accumulation steps.

        Args:
            loss: A loss of this micro-batch; its graph is freed.
            more: Whether another one of the same micro-batch follows before `step`.
        """

    def step(self) -> None:
        """End a micro-batch. The last one of an accumulation window updates the weights."""

    @property
    def begins_window(self) -> bool:
        """Whether the next micro-batch is the first of an accumulation window."""

    def whole_parameters(self) -> AbstractContextManager[list[Tensor]]:
        """What is trained, in the module's order, whole on every rank and not to be changed.

        Collective.
        """

    def set_lr_factor(self, factor: float) -> None:
        """Make every learning rate `factor` times its initial value."""

    @property
    def learning_rates(self) -> list[float]:
        """The learning rate of each parameter group."""

    def weights(self) -> dict[str, Tensor]:
        """The whole state dict in fp32 on the CPU of rank 0; empty on other ranks. Collective."""


def file_of(rank: int) -> str:
    """Name of the file that a rank's part of an engine is written to."""
    return f"{rank:05d}.safetensors"


@contextmanager
def constant(module: nn.Module) -> Iterator[nn.Module]:
    """`module` with `requires_grad` off for the time being."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield module
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The autocast context of an `EngineConfig.precision`; does nothing for fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
