"""`ray up ray_cluster.yaml` as far as it goes without hosts: an instance, and no ssh to it.

`make test-cluster` runs it, where there is no way out: moto invents public addresses.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.cluster.pretended_aws import checkout, instances, pretended_aws, ray, run_ray

pytestmark = pytest.mark.skipif(
    "ADVENT_DIST_TESTBED" not in os.environ, reason="hosts in namespaces: make test-cluster"
)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with pretended_aws("127.0.0.1", tmp_path):
        yield checkout(tmp_path)


def test_the_head_is_launched_and_terminated(repository: Path) -> None:
    up = "up -y --no-config-cache ray_cluster.yaml"
    done = run_ray(repository, up, AUTOSCALER_NODE_START_WAIT_S="4")
    assert done.returncode == 1
    assert "SSH still not available" in done.stdout
    (head,) = instances()
    assert head["State"]["Name"] == "running"
    assert head["InstanceType"] == "m5.xlarge"
    assert head["Placement"]["AvailabilityZone"] == "us-east-1a"
    assert head["IamInstanceProfile"]["Arn"].endswith(":instance-profile/advent-dist-head")
    assert [group["GroupName"] for group in head["SecurityGroups"]] == ["advent-dist"]
    # By the first of these the head's role may end instances of this cluster, and no other.
    assert head["tags"]["ray-cluster-name"] == "advent-dist"
    assert head["tags"]["ray-node-type"] == head["tags"]["ray-user-node-type"] == "head"
    ec2 = boto3.client("ec2")
    (disk,) = head["BlockDeviceMappings"]
    assert disk["Ebs"]["DeleteOnTermination"]
    (volume,) = ec2.describe_volumes(VolumeIds=[disk["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["VolumeType"]) == (100, "gp3")
    ray(repository, "down -y ray_cluster.yaml")
    (head,) = instances()
    assert head["State"]["Name"] == "terminated"
    assert ec2.describe_volumes()["Volumes"] == []
