"""A process group for one training in a process that outlives it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from advent_dist.config import EngineConfig
from advent_dist.parallel.world import World


@contextmanager
def process_group(
    config: EngineConfig, *, rank: int, size: int, address: str, port: int
) -> Iterator[World]:
    """A gloo process group of CPU ranks, gone again when the block ends.

    Args:
        config: Its `kind` and `collective_timeout_s` are used.
        rank: This process among the ranks.
        size: Number of ranks.
        address: Host of rank 0.
        port: A free port there.

    Yields:
        This rank.
    """
    # DeepSpeed reads these even where a group is there already.
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
    }
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://{address}:{port}",
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=config.collective_timeout_s),
    )
    try:
        yield World(rank=rank, size=size, device=torch.device("cpu"))
    finally:
        if config.kind == "deepspeed":
            from advent_dist.parallel.deepspeed import destroy_process_group

            destroy_process_group()
        else:
            dist.destroy_process_group()
