"""What do 8, 64 and 512 GPUs ask of object storage? On paper, from the numbers given.

python benchmarks/scaling.py [--pairs-per-gpu-s 3] [--source-kb 190] [--target-kb 140]
"""

from __future__ import annotations

from dataclasses import dataclass

import tyro

BLOCK_MB = 4.2
"""A block: what one request asks for (4 MiB, and the sample that fills it)."""

WINDOW = 4
"""Blocks that a reader mixes, and downloads at the same time."""

HELD = 3
"""Windows of a reader in memory: one is decoded, one has arrived, one is on its way."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """A training's appetite."""

    pairs_per_gpu_s: float = 3.0
    """Source and target images that one GPU trains on in a second."""

    source_kb: float = 190.0
    """10^3 bytes of a source sample with its label."""

    target_kb: float = 140.0
    """10^3 bytes of a target sample."""

    decode_ms: float = 4.0
    """CPU milliseconds to read and decode one sample."""

    request_ms: float = 100.0
    """Time of one request on a busy object store, until its last byte."""

    gpus: tuple[int, ...] = (8, 64, 512)


def main() -> None:
    options = tyro.cli(Options)
    block_kb = 1000 * BLOCK_MB
    print("| GPUs | pairs/s | MB/s | requests/s | cores that decode | requests in flight |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for gpus in options.gpus:
        pairs = gpus * options.pairs_per_gpu_s
        kb = pairs * (options.source_kb + options.target_kb)
        requests = kb / block_kb
        cores = 2 * pairs * options.decode_ms / 1000
        flying = requests * options.request_ms / 1000
        print(
            f"| {gpus} | {pairs:.0f} | {kb / 1000:.1f} | {requests:.1f} | {cores:.1f} | "
            f"{flying:.1f} |"
        )
    memory = 2 * HELD * WINDOW * BLOCK_MB
    print(f"\nmemory of one rank's two readers for blocks: {memory:.0f} MB")


if __name__ == "__main__":
    main()
