"""litdata, used as its documentation says: `optimize`, StreamingDataset and StreamingDataLoader.

python benchmarks/peers/litdata_reader.py write SRC s3://bucket/prefix
python benchmarks/peers/litdata_reader.py read s3://bucket/prefix --cache DIR [--workers N]
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ["LITDATA_DISABLE_VERSION_CHECK"] = "1"  # it would ask the package index at each start

import boto3
import litdata
import torch
from common import CHUNK_BYTES, Pair, contents, decode, main
from litdata.streaming import downloader

# Its faster S3 client talks https only, and the benchmark's server on loopback has no certificate.
downloader._OBSTORE_CLIENT_OPTIONS["allow_http"] = True


class Decoded(litdata.StreamingDataset):
    """Decodes in the worker that reads, as the library's examples do."""

    def __getitem__(self, index: Any) -> dict[str, torch.Tensor]:
        return decode(super().__getitem__(index))


def write(pairs: list[Pair], url: str) -> None:
    # Uploaded here: litdata's own check of the bucket needs an answer that not all S3 servers give.
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    storage = boto3.client("s3")
    with tempfile.TemporaryDirectory() as folder:
        litdata.optimize(
            fn=contents, inputs=pairs, output_dir=folder, chunk_bytes=CHUNK_BYTES, num_workers=1
        )
        for file in Path(folder).iterdir():
            storage.upload_file(str(file), bucket, f"{prefix}/{file.name}")


def read(url: str, workers: int, batch_size: int, cache: str) -> Iterable[Any]:
    dataset = Decoded(url, cache_dir=cache, shuffle=True)
    return litdata.StreamingDataLoader(dataset, batch_size=batch_size, num_workers=workers)


if __name__ == "__main__":
    main(__doc__, write, read)
