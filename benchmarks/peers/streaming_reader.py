"""mosaicml-streaming, used as its documentation says: MDSWriter, StreamingDataset, DataLoader.

python benchmarks/peers/streaming_reader.py write SRC s3://bucket/prefix
python benchmarks/peers/streaming_reader.py read s3://bucket/prefix --cache DIR [--workers N]
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import streaming
import torch
from common import CHUNK_BYTES, Pair, contents, decode, main

# Its own name for the same thing.
if "AWS_ENDPOINT_URL" in os.environ:
    os.environ.setdefault("S3_ENDPOINT_URL", os.environ["AWS_ENDPOINT_URL"])


class Decoded(streaming.StreamingDataset):
    """Decodes in the worker that reads, as the library's examples do."""

    def __getitem__(self, index: Any) -> dict[str, torch.Tensor]:
        return decode(super().__getitem__(index))


def write(pairs: list[Pair], url: str) -> None:
    columns = {"image": "bytes", "label": "bytes"}
    with streaming.MDSWriter(out=url, columns=columns, size_limit=CHUNK_BYTES) as writer:
        for pair in pairs:
            writer.write(contents(pair))


def read(url: str, workers: int, batch_size: int, cache: str) -> Iterable[Any]:
    dataset = Decoded(remote=url, local=cache, shuffle=True, batch_size=batch_size)
    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, num_workers=workers)


if __name__ == "__main__":
    main(__doc__, write, read)
