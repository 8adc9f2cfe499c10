"""A GPU that is not there: tensors on it have shapes and no values, and who waits for it is found.

What is on the CPU is computed as ever, draws above all.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda", 0)

_READ_BACK = ("_local_scalar_dense", "is_nonzero", "equal")
_SIZED = ("nonzero", "masked_select", "bincount", "histc", "_unique", "unique", "repeat_interleave")
"""What the names of operations begin with of which the GPU alone knows how large a result is."""


class Waits(TorchDispatchMode):
    """Notes each operation that makes the CPU wait for the GPU, and where in our code that is."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        onto = kwargs.get("device")
        on_gpu = any(isinstance(leaf, FakeTensor) for leaf in tree_leaves((args, kwargs)))
        if not on_gpu and (onto is None or torch.device(onto).type != GPU.type):
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        if _waits(func.name().removeprefix("aten::").partition(".")[0], args, kwargs):
            self.found.append(f"{func.name()} at {_place()}")
        return func(*args, **kwargs)


def _waits(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    if name == "_to_copy":
        elsewhere = torch.device(kwargs.get("device") or args[0].device) != args[0].device
        return elsewhere and not kwargs.get("non_blocking")
    if name == "copy_":
        return args[0].device != args[1].device and not kwargs.get("non_blocking", args[2:])
    if name in ("index", "index_put", "index_put_"):
        return any(isinstance(one, Tensor) and one.dtype == torch.bool for one in args[1])
    return name in _READ_BACK or name.startswith(_SIZED)


def _place() -> str:
    ours = [one for one in traceback.extract_stack() if "/advent_dist/" in one.filename]
    return f"{ours[-1].filename}:{ours[-1].lineno}" if ours else "the test"


@contextmanager
def fake_gpu() -> Iterator[Waits]:
    """Within, tensors and networks can be moved to `GPU`, and there is no backward pass there."""
    future = torch.__future__
    before = future.get_overwrite_module_params_on_conversion()
    future.set_overwrite_module_params_on_conversion(True)
    # A real parameter's data can't become fake, and memory is pinned by a driver that is not there.
    pinned = patch.object(Tensor, "pin_memory", lambda tensor: tensor)
    try:
        with pinned, FakeTensorMode(allow_non_fake_inputs=True), Waits() as waits:
            yield waits
    finally:
        future.set_overwrite_module_params_on_conversion(before)
