"""The only rank of a training, in this process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from advent_dist.config import EngineConfig
from advent_dist.parallel.group import process_group
from advent_dist.parallel.world import World


@contextmanager
def one_rank(engine: EngineConfig, *, threads: int) -> Iterator[World]:
    """A process group of one CPU rank, which computes on so many threads, until the block ends."""
    torch.set_num_threads(threads)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with process_group(engine, rank=0, size=1, address="127.0.0.1", port=port) as world:
        yield world
