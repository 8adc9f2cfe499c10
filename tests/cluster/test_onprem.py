"""The main command on real hosts: `ray up`, `ray submit CLUSTER-FILE tune/search.py`, `ray down`.

`make test-cluster` runs it; it needs root, for hosts in namespaces.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from advent_dist.data.store import open_folder
from advent_dist.override import to_json
from cluster.testbed.hosts import LAUNCHER, Bed, switched_on
from shards.local_s3 import local_s3
from tests.helpers import tiny_run, write_tiny_shards

pytestmark = pytest.mark.skipif(
    "ADVENT_DIST_TESTBED" not in os.environ, reason="hosts in namespaces: make test-cluster"
)

REPOSITORY = Path(__file__).parents[2]
HOSTS = 3


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with switched_on(tmp_path_factory.mktemp("bed"), HOSTS) as bed:
        yield bed


@pytest.fixture(scope="module")
def bucket(bed: Bed) -> Iterator[str]:
    """A bucket with tiny shards, on a server that all hosts reach; its keys go to the hosts."""
    folder = bed.folder / "s3"
    (folder / "bucket").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, local_s3(folder, LAUNCHER) as environment:
        lines = []
        for name, value in environment.items():
            patch.setenv(name, value)
            lines.append(f"export {name}={shlex.quote(value)}\n")
        (bed.shared / "s3.sh").write_text("".join(lines))
        write_tiny_shards("s3://bucket/shards")
        yield "s3://bucket"


@pytest.fixture(scope="module")
def cluster(bed: Bed, bucket: str) -> Iterator[str]:
    """The cluster file of the repository with these hosts filled in, and its cluster up."""
    head, *workers = bed.hosts
    run = tiny_run(f"{bucket}/shards", f"{bucket}/runs", cluster__placement="STRICT_SPREAD")
    (bed.shared / "config.json").write_text(to_json(run))
    text = (REPOSITORY / "cluster" / "onprem.yaml").read_text()
    for old, new in (
        ("CHANGE-ME-head", head),
        ("CHANGE-ME-worker-1, CHANGE-ME-worker-2", ", ".join(workers)),
        ("CHANGE-ME-user", "root"),
        ("~/.ssh/id_ed25519", str(bed.key)),
        ("/CHANGE-ME-shared", bucket),
        ("=streets_advent", "=/shared/config.json"),
        (
            "  - bash ~/advent_dist",
            "  - cat /shared/s3.sh >> ~/.advent_dist\n"
            f"  - echo 'export ADVENT_DIST_VENV={sys.prefix}' >> ~/.advent_dist\n"
            "  - bash ~/advent_dist",
        ),
        ("ray start ", "ray start --object-store-memory=100000000 "),
    ):
        assert old in text
        text = text.replace(old, new)
    file = bed.folder / "onprem.yaml"
    file.write_text(text)
    _ray("up", "-y", "--no-config-cache", str(file))
    try:
        _wait_for_nodes(str(file))
        yield str(file)
    finally:
        assert "raylet" in bed.run(head, "ps ax")
        _ray("down", "-y", str(file))
        assert "raylet" not in bed.run(head, "ps ax")


def _ray(*arguments: str, status: int = 0) -> str:
    """Run the `ray` command from the repository; what it prints."""
    ray = Path(sys.executable).with_name("ray")
    done = subprocess.run(
        [ray, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def _wait_for_nodes(file: str) -> None:
    """`ray up` returns before the workers have joined."""
    count = "import ray; ray.init(log_to_driver=False); print('alive:', len(ray.nodes()))"
    deadline = time.monotonic() + 180
    while f"alive: {HOSTS}" not in (said := _ray("exec", file, f'python -c "{count}"')):
        assert time.monotonic() < deadline, said
        time.sleep(5)


def test_the_doctor_finds_every_host_healthy(cluster: str) -> None:
    said = _ray("exec", cluster, "advent-dist doctor --cluster --json")
    answer = json.loads(said[said.index('{\n  "ok"') : said.rindex("}") + 1])
    storage = [one for one in answer["findings"] if one["check"] == "storage"]
    assert answer["ok"], answer
    assert len(storage) == 1 + HOSTS


def test_the_main_command(cluster: str, bucket: str) -> None:
    """A sweep of two trials, each with two workers on two different hosts."""
    flags = ["--num-trials", "2", "--scheduler", "none", "--seeds-for-best", "0"]
    _ray("submit", cluster, "tune/search.py", "--", *flags, "--name", "'two words'")
    sweep = open_folder(f"{bucket}/runs/two words")
    assert "report.html" in sweep.list()
    trials = [open_folder(f"{sweep.url}/trials/{number:05d}") for number in range(2)]
    for trial in trials:
        assert json.loads(trial.read("summary.json"))["finished"]
    # Fetched back, it is a page of its own.
    assert sweep.read("report.html").lower().startswith(b"<!doctype html")
