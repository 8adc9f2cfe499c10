"""The main command on AWS, where instances come and go: each is a host of the test bed.

`make test-cluster` runs it; it needs root, for hosts in namespaces.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from advent_dist.config import Experiment
from advent_dist.config.override import to_json
from advent_dist.data.store import open_folder
from advent_dist.runs.folder import CHECKPOINTS, RunFolder
from cluster.testbed.hosts import Bed, switched_on
from shards.local_s3 import local_s3
from tests.cluster.impatient import EXPORTS
from tests.cluster.instance_hosts import GATEWAY, instances_are_hosts
from tests.cluster.pretended_aws import (
    BUCKET,
    REGION,
    checkout,
    instances,
    pretended_aws,
    ray,
    run_ray,
)
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import examples, write_shards
from tests.waiting import wait_until
from tune.folder import SweepFolder

pytestmark = pytest.mark.skipif(
    "ADVENT_DIST_TESTBED" not in os.environ, reason="hosts in namespaces: make test-cluster"
)

ROOT, RUNS = f"s3://{BUCKET}/shards", f"s3://{BUCKET}/runs"
STEPS = 60


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Hosts to be, in the account's subnet, and the account that launches them."""
    folder = tmp_path_factory.mktemp("bed")
    (folder / "s3").mkdir()
    (folder / ".ssh").mkdir()
    with (
        switched_on(folder, 0, launcher=GATEWAY, first=GATEWAY) as bed,
        local_s3(folder / "s3", GATEWAY) as s3,
        pretended_aws(GATEWAY, folder, s3),
        instances_are_hosts(bed),
    ):
        variables = {name: value for name, value in os.environ.items() if name[:4] == "AWS_"}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        (bed.shared / "aws.sh").write_text("".join([*lines, EXPORTS]))
        # What Ray would make is the key that the hosts let in.
        name = f"ray-autoscaler_{REGION}"
        shutil.copy(bed.key, folder / ".ssh" / f"{name}.pem")
        public = Path(f"{bed.key}.pub").read_bytes()
        boto3.client("ec2").import_key_pair(KeyName=name, PublicKeyMaterial=public)
        yield bed


@pytest.fixture(scope="module")
def repository(bed: Bed) -> Path:
    """A checkout whose cluster file is up: the head, and nothing else yet."""
    copy = checkout(bed.folder)
    write_tiny_shards(ROOT)
    write_shards(f"{ROOT}/held_out", examples(4, size=(64, 64), prefix="h"), labelled=True)
    write_config(bed, "config", data__held_out="held_out")
    change(
        copy,
        ("  type: aws", "  type: aws\n  use_internal_ips: True"),
        ("ssh_user: ubuntu", "ssh_user: root"),
        ("=streets_advent", "=/shared/config.json"),
        ("/home/ubuntu/shard-cache data.cache_gb=150", "/root/shard-cache data.cache_gb=1"),
        # Ray places work on GPUs that are not there, but PyTorch can't use them.
        ("cluster.gpus_per_worker=1", "cluster.gpus_per_worker=0"),
        (
            "  - bash ~/advent_dist",
            "  - cat /shared/aws.sh >> ~/.advent_dist\n"
            f"  - echo 'export ADVENT_DIST_VENV={sys.prefix}' >> ~/.advent_dist\n"
            "  - bash ~/advent_dist",
        ),
        ("~/advent_dist_venv/bin/pip", f"{sys.prefix}/bin/pip"),
        ("ray start ", "ray start --object-store-memory=100000000 "),
        # One of each kind at most: all hosts are this machine. The one on demand comes later.
        ("max_workers: 6", "max_workers: 1"),
        ("max_workers: 2", "max_workers: 0 # at first"),
    )
    ray(copy, "up -y --no-config-cache ray_cluster.yaml")
    assert kinds() == ["head"]
    return copy


@pytest.fixture(scope="module")
def sweep(repository: Path) -> subprocess.CompletedProcess[str]:
    """The main command, to its end."""
    return run_ray(repository, "submit ray_cluster.yaml tune/search.py")


def change(repository: Path, *changes: tuple[str, str]) -> None:
    """Change texts of the cluster file."""
    file = repository / "ray_cluster.yaml"
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def write_config(bed: Bed, name: str, **changes: Any) -> Experiment:
    """A tiny run's config.json, /shared/NAME.json on the hosts."""
    run = tiny_run(ROOT, RUNS, **{"cluster__workers": 1, **changes})
    (bed.shared / f"{name}.json").write_text(to_json(run))
    return run


def kinds() -> list[str]:
    """The kind of each node that is there."""
    return sorted(one["tags"]["ray-user-node-type"] for one in instances("pending", "running"))


def spot_instance() -> str:
    """Id of the one that is there."""
    there = instances("pending", "running")
    (spot,) = [one for one in there if one.get("InstanceLifecycle") == "spot"]
    instance: str = spot["InstanceId"]
    return instance


def test_the_nodes_run_the_copy_that_they_were_given(repository: Path) -> None:
    where = "import advent_dist.data; print(advent_dist.data.__file__)"
    said = ray(repository, f"exec ray_cluster.yaml \"python -c '{where}'\"")
    assert "/root/advent_dist/advent_dist/data/__init__.py" in said


def test_the_sweep_brings_a_spot_worker(sweep: subprocess.CompletedProcess[str]) -> None:
    assert kinds() == ["gpu_spot", "head"], sweep.stdout
    folder = open_folder(RUNS).folders()
    assert folder == ["sweep-camvid_day_dusk_advent"]
    trials = SweepFolder(f"{RUNS}/{folder[0]}", tiny_run(ROOT, RUNS).data).trials()
    assert len(trials) == 16
    assert {trial.state for trial in trials} <= {"finished", "stopped", "collapsed"}


def test_the_sweep_ends_with_its_report(sweep: subprocess.CompletedProcess[str]) -> None:
    assert sweep.returncode == 0, sweep.stdout
    assert "report.html" in open_folder(f"{RUNS}/sweep-camvid_day_dusk_advent").list()


def test_a_spot_instance_that_is_taken_away_is_replaced(repository: Path, bed: Bed) -> None:
    """A training on two nodes, the second one on demand; one goes, and another one comes."""
    change(repository, ("max_workers: 0 # at first", "max_workers: 1"))
    ray(repository, "up -y --no-restart ray_cluster.yaml")
    run = write_config(
        bed,
        "two_nodes",
        run__name="two_nodes",
        run__steps=STEPS,
        run__report_every=10,
        run__evaluate_every=10,
        run__checkpoint_every=10,
        cluster__workers=2,
        cluster__cpus_per_worker=3,
        cluster__placement="STRICT_SPREAD",
        cluster__max_failures=3,
    )
    folder = RunFolder.of(run)
    checkpoints = open_folder(f"{folder.url}/{CHECKPOINTS}")
    train = "exec ray_cluster.yaml 'advent-dist train --config /shared/two_nodes.json'"
    with ThreadPoolExecutor(1) as thread:
        training = thread.submit(ray, repository, train)
        wait_until(lambda: checkpoints.folders() or training.done(), within_s=300)
        assert not training.done(), training.result()
        assert kinds() == ["gpu_on_demand", "gpu_spot", "head"]
        first = spot_instance()
        boto3.client("ec2").terminate_instances(InstanceIds=[first])
        training.result()
    assert [row["step"] for row in folder.rows()] == list(range(10, STEPS + 1, 10))
    assert kinds() == ["gpu_on_demand", "gpu_spot", "head"]
    assert spot_instance() != first
    # Those that were there before have stayed.
    assert len(instances("terminated")) == 1


def test_down_leaves_nothing_running(repository: Path, bed: Bed) -> None:
    assert len(bed.hosts) == len(kinds())
    ray(repository, "down -y ray_cluster.yaml")
    assert {one["State"]["Name"] for one in instances()} == {"terminated"}
    wait_until(lambda: not bed.hosts, within_s=10)
