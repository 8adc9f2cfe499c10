"""A bucket of a local S3 server, for benchmarks of what the product does with object storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shards.local_s3 import local_s3


@contextmanager
def local_bucket(folder: Path) -> Iterator[str]:
    """Serve an empty bucket to this process, and to those that it starts, until the block ends.

    Args:
        folder: Where what is in it lies.

    Yields:
        Its URL.
    """
    (folder / "bucket").mkdir()
    with local_s3(folder) as environment:
        os.environ.update(environment)
        yield "s3://bucket"
