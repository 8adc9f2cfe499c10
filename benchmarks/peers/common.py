"""What the peers' readers share: the same samples, the same decoding, the same clock."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from PIL import Image

CHUNK_BYTES = 64_000_000
"""Size of a chunk: what both libraries recommend for images."""

Pair = tuple[str, str]
"""Paths of an image file and of its label file."""


def main(
    doc: str | None,
    write: Callable[[list[Pair], str], None],
    read: Callable[[str, int, int, str], Iterable[Any]],
) -> None:
    """The command line of a reader: `write SRC URL` and `read URL ...`; see --help.

    Args:
        doc: Its description.
        write: Writes pairs to a URL, in the library's format and with the same encoded bytes.
        read: (URL, workers, batch size, cache folder) -> a loader; iterating it is one epoch.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write", help="write a folder of pairs in the library's format")
    writing.add_argument("source", type=Path, help="folder of NNNNNN.jpg and NNNNNN.png")
    writing.add_argument("url", help="s3://bucket/prefix")
    reading = commands.add_parser("read", help="read what was written; print one line of JSON")
    reading.add_argument("url", help="s3://bucket/prefix")
    reading.add_argument("--workers", type=int, default=2, help="reading processes")
    reading.add_argument("--batch-size", type=int, default=8, help="samples a batch")
    reading.add_argument("--seconds", type=float, help="how long to read; none reads one epoch")
    reading.add_argument("--cache", required=True, help="folder for downloaded chunks")
    asked = parser.parse_args()
    if asked.command == "write":
        write(pairs(asked.source), asked.url)
        return
    loader = read(asked.url, asked.workers, asked.batch_size, asked.cache)
    sys.stdout.write(json.dumps(measure(loader, asked.seconds)) + "\n")


def pairs(folder: Path) -> list[Pair]:
    """The pairs of a folder, sorted by name."""
    images = sorted(folder.glob("*.jpg"))
    if not images:
        raise SystemExit(f"{folder} holds no *.jpg")
    return [(str(image), str(image.with_suffix(".png"))) for image in images]


def contents(pair: Pair) -> dict[str, bytes]:
    """The encoded files of a sample: what a library is to store."""
    image, label = pair
    return {"image": Path(image).read_bytes(), "label": Path(label).read_bytes()}


def decode(sample: dict[str, bytes]) -> dict[str, torch.Tensor]:
    """uint8 image [3, h, w] and label [h, w], by the decoders that our own pipeline uses."""
    label = np.array(Image.open(io.BytesIO(sample["label"])))
    image = torch.from_numpy(simplejpeg.decode_jpeg(sample["image"]))
    return {"image": image.permute(2, 0, 1), "label": torch.from_numpy(label)}


def measure(loader: Iterable[Any], seconds: float | None) -> dict[str, float]:
    """Samples read, from the moment that iteration starts.

    Args:
        loader: Batches of `decode`d samples; iterating it is one epoch.
        seconds: Epochs follow each other until then; none reads one.
    """
    samples, first_batch_s = 0, None
    start = time.perf_counter()
    while True:
        for batch in loader:
            samples += len(batch["image"])
            now = time.perf_counter() - start
            first_batch_s = now if first_batch_s is None else first_batch_s
            if seconds is not None and now >= seconds:
                return {"samples": samples, "seconds": now, "first_batch_s": first_batch_s}
        if first_batch_s is None:
            raise SystemExit("there is not one batch")
        if seconds is None:
            now = time.perf_counter() - start
            return {"samples": samples, "seconds": now, "first_batch_s": first_batch_s}
