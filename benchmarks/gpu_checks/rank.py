"""The only rank of a process group, on the device that is checked."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from advent_dist.parallel.world import World


@contextmanager
def one_rank(
    device: str, end: Callable[[], object] = dist.destroy_process_group
) -> Iterator[World]:
    """A process group of one rank, NCCL's on a GPU and gloo's on a CPU, until the block ends.

    Args:
        device: cpu, or cuda for the first GPU.
        end: ends the group; DeepSpeed's own account of it can stay where the process ends, too.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    on_gpu = device == "cuda"
    dist.init_process_group(
        "nccl" if on_gpu else "gloo", rank=0, world_size=1, timeout=timedelta(minutes=2)
    )
    try:
        yield World(device=torch.device("cuda", 0) if on_gpu else torch.device("cpu"))
    finally:
        end()
