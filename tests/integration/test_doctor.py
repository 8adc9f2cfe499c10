"""`advent-dist doctor` on real Ray nodes and a real S3 server, healthy and with something wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from advent_dist.config.override import to_json
from tests.helpers import tiny_run

_REPOSITORY = Path(__file__).parents[2]

_LATE_CLOCK = """
import time
now = time.time
time.time = lambda: now() - 1000
"""
"""Run by every Python process of a node, it puts that node's wall clock 1000 s back."""

Doctor = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def nodes(bucket: str) -> Iterator[Cluster]:
    """A head that trains nothing, and a worker node of two CPUs; both know the S3 server."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False},
    )
    cluster.add_node(num_cpus=2)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def doctor(nodes: Cluster, shards: str, bucket: str, tmp_path: Path) -> Doctor:
    """The command in a process of its own, on the cluster."""

    def run(*flags: str, **changes: Any) -> tuple[int, list[dict[str, Any]]]:
        config = tmp_path / "config.json"
        config.write_text(to_json(tiny_run(shards, f"{bucket}/runs", **changes)))
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from advent_dist.cli import main; main()", "doctor"),
                *("--config", str(config), "--cluster", "--json", *flags),
            ],
            env={**os.environ, "RAY_ADDRESS": nodes.address, "PYTHONPATH": str(_REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.stdout, done.stderr
        answer = json.loads(done.stdout)
        assert answer["ok"] == (done.returncode == 0)
        return done.returncode, answer["findings"]

    return run


def _failures(findings: list[dict[str, Any]]) -> dict[str, str]:
    """Check -> what was said, of the failures."""
    return {one["check"]: one["said"] for one in findings if one["level"] == "failure"}


def test_a_healthy_cluster(doctor: Doctor, bucket: str) -> None:
    status, findings = doctor()
    failures = _failures(findings)
    assert (status == 1) == bool(failures)
    # How much room there is, is the machine's own.
    assert failures.keys() <= {"disk", "shared memory"}
    looked_at = {one["check"] for one in findings}
    assert looked_at >= {"versions", "devices", "disk", "shared memory", "clock", "network"}
    assert looked_at >= {"resources", "shards", "storage", "reading", "engine"}
    # Two nodes, a ring of two links, and storage from here and from both.
    assert sum(one["check"] == "network" for one in findings) == 2
    assert sum(one["check"] == "storage" for one in findings) == 3
    assert all(one["fix"] for one in findings if one["level"] != "ok")


def test_too_much_is_asked(doctor: Doctor, tmp_path: Path) -> None:
    """Workers that there is no room for, shards in no bucket, and a cache larger than the disk."""
    cache = {"data__cache_dir": str(tmp_path / "cache"), "data__cache_gb": 1e6}
    status, findings = doctor("--cluster.workers", "3", "--data.root", "s3://elsewhere", **cache)
    assert status == 1
    failures = _failures(findings)
    assert "never room for more than 2" in failures["resources"]
    assert "no bucket 'elsewhere'" in failures["shards"]
    caches = [one for one in findings if one["check"] == "cache"]
    assert [one["level"] for one in caches] == ["failure"], "the head trains nothing and needs none"


def test_a_node_with_everything_wrong(
    nodes: Cluster, doctor: Doctor, tmp_path: Path, bucket: str
) -> None:
    """Another version, no access to the bucket, a GPU that is none, and a clock that is late."""
    other = tmp_path / "other" / "webdataset-0.0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: webdataset\nVersion: 0.0.1\n")
    (other.parent / "sitecustomize.py").write_text(_LATE_CLOCK)
    node = nodes.add_node(
        num_cpus=1,
        num_gpus=2,
        env_vars={
            "PYTHONPATH": f"{other.parent}:{_REPOSITORY}",
            "AWS_SECRET_ACCESS_KEY": "not-the-secret",
        },
    )
    try:
        status, findings = doctor()
    finally:
        nodes.remove_node(node)
    assert status == 1
    failures = _failures(findings)
    assert "webdataset is 0.0.1" in failures["versions"]
    assert "access denied" in failures["storage"]
    assert "offers 2 GPUs, but PyTorch finds" in failures["devices"]
    assert "s behind this machine's" in failures["clock"]
    assert "not-the-secret" not in json.dumps(findings)
