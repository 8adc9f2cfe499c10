"""The memory of a device that tensors take."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch

from benchmarks.memory import peak_mb


def held(device: torch.device) -> int:
    """Bytes that are in use between two steps.

    On a GPU those that PyTorch's allocator was asked for, before it rounds them up. A CPU's
    has no books: there the storages of all tensors that Python sees are added up.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        # Of cuBLAS, which no formula has: it comes with the first matrix product, and stays.
        torch._C._cuda_clearCublasWorkspaces()
        return int(torch.cuda.memory_stats(device)["requested_bytes.all.current"])
    tensors = [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]
    # A parameter's gradient may be known to no Python object but itself.
    tensors += [one.grad for one in tensors if one.is_leaf and one.grad is not None]
    storages = [one.untyped_storage() for one in tensors if one.device == device]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def at_most(device: torch.device, call: Callable[[], object]) -> float:
    """Bytes in use while a call runs: of a GPU all, of a CPU those beyond the ones before."""
    if device.type == "cpu":
        return 1e6 * peak_mb(call)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize(device)
    return float(torch.cuda.max_memory_allocated(device))
