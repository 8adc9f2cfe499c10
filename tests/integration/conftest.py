from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from advent_dist.config import ClusterConfig, Experiment
from cluster.connection import ray_cluster
from cluster.launch import launch
from shards.local_s3 import local_s3
from tests.fault_proxy import Proxy, fault_proxy
from tests.helpers import tiny_run, write_tiny_shards


@pytest.fixture(scope="package")
def s3_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """What stands before a real S3 server; the environment has its address and credentials."""
    folder = tmp_path_factory.mktemp("s3")
    Path(folder, "bucket").mkdir()
    with (
        local_s3(folder) as environment,
        fault_proxy(environment["AWS_ENDPOINT_URL"]) as proxy,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in {**environment, "AWS_ENDPOINT_URL": proxy.endpoint}.items():
            patch.setenv(name, value)
        yield proxy


@pytest.fixture(scope="package")
def bucket(s3_proxy: Proxy) -> str:
    """URL of an empty bucket there."""
    return "s3://bucket"


@pytest.fixture(scope="package")
def ray_session(bucket: str) -> Iterator[None]:
    """One Ray for all tests that need it, started after the S3 server so that workers know it.

    It ends with the package: other tests of the process find none.
    """
    with pytest.MonkeyPatch.context() as patch:
        # Soon enough for the metrics of runs of seconds.
        patch.setenv("RAY_metrics_report_interval_ms", "500")
        with ray_cluster(ClusterConfig()):
            yield


@pytest.fixture(scope="package")
def shards(bucket: str) -> str:
    """Root of tiny shards in the bucket."""
    write_tiny_shards(f"{bucket}/shards")
    return f"{bucket}/shards"


@pytest.fixture(scope="package")
def begun(ray_session: None, shards: str, bucket: str) -> Experiment:
    """A run that has been trained for two steps, with two workers."""
    run = tiny_run(shards, f"{bucket}/runs", run__name="begonnen_für_später", run__steps=2)
    assert launch(run).step == 2
    return run
