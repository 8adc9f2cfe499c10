from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from advent_dist.config import ClusterConfig
from cluster.connection import ray_cluster
from shards.local_s3 import local_s3


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty bucket on a real S3 server; the environment has its credentials."""
    folder = tmp_path_factory.mktemp("s3")
    Path(folder, "bucket").mkdir()
    with pytest.MonkeyPatch.context() as patch, local_s3(folder) as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield "s3://bucket"


@pytest.fixture(scope="session")
def ray_session(bucket: str) -> Iterator[None]:
    """One Ray for all tests that need it, started after the S3 server so that workers know it."""
    with ray_cluster(ClusterConfig()):
        yield
