"""The decoders alone, over files that are in memory already: what no reader can be faster than."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from advent_dist.data.sample import decode_image, decode_label
from benchmarks.pipelines.clock import timed


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to decode."""

    encoded: Path
    """Folder with NNNNNN.jpg and NNNNNN.png."""

    samples: int


def decoded(options: Options) -> Iterator[tuple[list[torch.Tensor], list[torch.Tensor]]]:
    """One image and label at a time, in memory that is used again."""
    files = [
        (path.read_bytes(), path.with_suffix(".png").read_bytes())
        for path in sorted(options.encoded.glob("*.jpg"))
    ]
    out = decode_image(files[0][0], "").permute(1, 2, 0).contiguous()
    yield [], []  # the clock starts with the files in memory
    for number in range(options.samples):
        image, label = files[number % len(files)]
        yield [decode_image(image, "", out)], [decode_label(label, "")]


if __name__ == "__main__":
    torch.set_num_threads(1)
    options = tyro.cli(Options)
    batches = decoded(options)
    next(batches)
    timed(batches, options.samples)
