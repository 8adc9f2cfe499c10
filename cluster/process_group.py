"""What Ray Train sets up for the ranks: PyTorch's process group, and nothing on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from ray.train.torch import TorchConfig


class ProcessGroup(TorchConfig):
    """A `TorchConfig` that leaves the choice of the GPU to `train_rank`.

    Ray's own calls `torch.cuda.set_device` ahead of the train function. That puts the process on
    its GPU, before its readers are forked.
    """

    @property
    def train_func_context(self) -> Callable[[], AbstractContextManager[None]]:
        """What Ray Train opens around the train function: nothing."""
        return nullcontext
