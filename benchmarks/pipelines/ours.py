"""The labelled domain of a training, from shards."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from advent_dist.config import DataConfig
from advent_dist.data.domain import DomainStream
from advent_dist.data.progress import Phase
from benchmarks.pipelines.clock import timed


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to read."""

    shards: str
    """Folder or URL of the shards."""

    size: tuple[int, int]
    """Width, height of the batches' images."""

    samples: int
    """Samples to take."""

    workers: int = 1
    batch_size: int = 2

    cache: str | None = None
    """Folder of the disk cache."""

    begin: float = 0.0
    """Share of the epoch that an earlier run has read."""


def peak_mb() -> float:
    """The most memory that this process has held at a time, in MB.

    Not `ru_maxrss`: that starts at the size of the process that this one was forked from.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1000


def main() -> None:
    """Read and print the time; and on the second line the peak of this process's memory in MB."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    data = DataConfig(
        source=options.shards,
        target=options.shards,
        evaluation=options.shards,
        classes="cityscapes19",
        source_size=options.size,
        target_size=options.size,
        evaluation_size=options.size,
        batch_size_per_rank=options.batch_size,
        workers_per_rank=options.workers,
        cache_dir=options.cache,
    )
    state = None
    if options.begin:
        fresh = DomainStream(data, "source", 0, 1, seed=1, state=None)
        fresh.close()
        batches = int(options.begin * fresh.phase.num_samples / options.batch_size)
        state = Phase.advanced(fresh.phase, batches).to_state()
    stream = DomainStream(data, "source", 0, 1, seed=1, state=state)
    timed(stream, options.samples)
    stream.close()
    sys.stdout.write(f"{peak_mb()}\n")


if __name__ == "__main__":
    main()
