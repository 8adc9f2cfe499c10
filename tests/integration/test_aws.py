"""The AWS cluster file against a pretended AWS: account, bootstrap, launch of each kind of node.

Everything happens in this process: no request leaves it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.responses import ActionAuthenticatorMixin
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config, validate_config

from cluster import aws_account

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A new account, and a HOME for the key that Ray makes."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    with mock_aws():
        yield


@pytest.fixture
def file(aws: None, tmp_path: Path) -> Path:
    """The cluster file, filled in by the account's set-up."""
    path = tmp_path / "ray_cluster.yaml"
    shutil.copy(REPOSITORY / "ray_cluster.yaml", path)
    arguments = ["--bucket", "streets", "--ssh-from", "203.0.113.7/32", "--file", str(path)]
    assert aws_account.main(arguments) == 0
    assert aws_account.main(arguments) == 0  # again: what is there is kept
    return path


def _bootstrap(file: Path) -> dict[str, Any]:
    config = prepare_config(yaml.safe_load(file.read_text()))
    validate_config(config)
    done: dict[str, Any] = bootstrap_aws(config)
    return done


def test_the_account(file: Path) -> None:
    assert "CHANGE-ME" not in yaml.safe_dump(yaml.safe_load(file.read_text()))
    boto3.client("s3").head_bucket(Bucket="streets")
    iam = boto3.client("iam")
    for role, policies in (
        ("advent-dist-worker", ["iam_policy", "iam_worker_policy"]),
        ("advent-dist-head", ["iam_head_policy", "iam_policy"]),
    ):
        profile = iam.get_instance_profile(InstanceProfileName=role)["InstanceProfile"]
        assert [one["RoleName"] for one in profile["Roles"]] == [role]
        assert sorted(iam.list_role_policies(RoleName=role)["PolicyNames"]) == policies
        document = iam.get_role_policy(RoleName=role, PolicyName="iam_policy")["PolicyDocument"]
        resources = {statement["Resource"] for statement in document["Statement"]}
        assert resources == {"arn:aws:s3:::streets", "arn:aws:s3:::streets/*"}


def test_ssh_is_for_one_address(file: Path) -> None:
    _bootstrap(file)
    groups = boto3.client("ec2").describe_security_groups()["SecurityGroups"]
    ours = next(group for group in groups if group["GroupName"] == "advent-dist")
    reached_from = {
        one["CidrIp"] for rule in ours["IpPermissions"] for one in rule.get("IpRanges", [])
    }
    assert reached_from == {"203.0.113.7/32"}
    assert [group["GroupName"] for group in groups if "ray" in group["GroupName"].lower()] == []


def test_ray_launches_every_kind_of_node(file: Path) -> None:
    roles = {one["RoleName"] for one in boto3.client("iam").list_roles()["Roles"]}
    config = _bootstrap(file)
    assert {one["RoleName"] for one in boto3.client("iam").list_roles()["Roles"]} == roles
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for name, kind in config["available_node_types"].items():
        tags = {"ray-node-type": "worker", "ray-user-node-type": name}
        provider.create_node(kind["node_config"], tags, 1)
    reservations = boto3.client("ec2").describe_instances()["Reservations"]
    instances = [one for reservation in reservations for one in reservation["Instances"]]
    by_kind = {
        next(tag["Value"] for tag in one["Tags"] if tag["Key"] == "ray-user-node-type"): one
        for one in instances
    }
    assert by_kind.keys() == {"head", "gpu_spot", "gpu_on_demand"}
    profiles = {name: one["IamInstanceProfile"]["Arn"] for name, one in by_kind.items()}
    assert profiles["head"].endswith("/advent-dist-head")
    assert profiles["gpu_spot"].endswith("/advent-dist-worker")
    assert by_kind["gpu_spot"]["InstanceLifecycle"] == "spot"
    assert "InstanceLifecycle" not in by_kind["gpu_on_demand"]
    types = boto3.client("ec2").describe_instance_types(InstanceTypes=["g5.xlarge"])
    (known,) = types["InstanceTypes"]
    assert known["VCpuInfo"]["DefaultVCpus"] == 4
    assert known["GpuInfo"]["Gpus"][0]["Count"] == 1
    provider.terminate_nodes([one["InstanceId"] for one in instances])
    assert provider.non_terminated_nodes({}) == []


def test_the_head_may_end_its_own_cluster_only() -> None:
    policy = json.loads((REPOSITORY / "cluster/iam_head_policy.json").read_text())
    name = yaml.safe_load((REPOSITORY / "ray_cluster.yaml").read_text())["cluster_name"]
    (ends,) = (one for one in policy["Statement"] if "ec2:TerminateInstances" in one["Action"])
    own = {"aws:ResourceTag/ray-cluster-name": name}
    assert ends["Condition"]["StringEquals"] == own
    # Nor make another's instance its own by a tag.
    tags = [one for one in policy["Statement"] if "ec2:CreateTags" in one["Action"]]
    conditions = [one["Condition"]["StringEquals"] for one in tags]
    assert conditions == [{"ec2:CreateAction": "RunInstances"}, own]


def test_called_again_with_something_else(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = ["--ssh-from", "198.51.100.0/24", "--file", str(file)]
    assert aws_account.main(["--bucket", "streets", *again]) == 0
    (ours,) = boto3.client("ec2").describe_security_groups(GroupNames=["advent-dist"])[
        "SecurityGroups"
    ]
    ssh = [rule for rule in ours["IpPermissions"] if rule.get("FromPort") == 22]
    assert [one["CidrIp"] for rule in ssh for one in rule["IpRanges"]] == ["198.51.100.0/24"]
    assert aws_account.main(["--bucket", "other", *again]) == 1
    assert "names another one already" in capsys.readouterr().err
    buckets = boto3.client("s3").list_buckets()["Buckets"]
    assert [one["Name"] for one in buckets] == ["streets"]


def test_a_new_account_may_start_spot_instances(file: Path) -> None:
    path = "/aws-service-role/spot.amazonaws.com/"
    assert len(boto3.client("iam").list_roles(PathPrefix=path)["Roles"]) == 1


def test_a_cluster_file_at_a_url_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--bucket", "b", "--ssh-from", "203.0.113.7/32", "--file", "s3://bucket/x.yaml"]
    assert aws_account.main(arguments) == 1
    assert "--file s3://bucket/x.yaml: it can't be a URL" in capsys.readouterr().err


@pytest.mark.parametrize("allowed", ["0.0.0.0/0", "somewhere", "203.0.113.7/24"])
def test_ssh_for_everybody_is_refused(
    allowed: str, aws: None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(REPOSITORY / "ray_cluster.yaml")
    arguments = ["--bucket", "streets", "--ssh-from", allowed, "--file", file]
    assert aws_account.main(arguments) == 1
    assert "give" in capsys.readouterr().err
    assert boto3.client("iam").list_roles()["Roles"] == []


@pytest.fixture
def in_the_role(file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A role's name -> S3 as its instances see it; what a policy does not allow is refused."""
    clients = {}
    for role in ("worker", "head"):
        keys = boto3.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::123456789012:role/advent-dist-{role}", RoleSessionName=role
        )["Credentials"]
        clients[role] = boto3.client(
            "s3",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", float("inf"))
    return clients.__getitem__


def test_workers_can_not_change_what_others_install(in_the_role: Callable[[str], Any]) -> None:
    worker, head = in_the_role("worker"), in_the_role("head")
    wheel = {"Bucket": "streets", "Key": "wheels/cpython-311-0123/torch.whl"}
    head.put_object(**wheel, Body=b"of the head")
    assert worker.get_object(**wheel)["Body"].read() == b"of the head"
    for refused in (
        lambda: worker.put_object(**wheel, Body=b"evil"),
        lambda: worker.delete_object(**wheel),
        lambda: worker.create_multipart_upload(**wheel),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    worker.put_object(Bucket="streets", Key="runs/a/config.json", Body=b"{}")
    worker.delete_object(Bucket="streets", Key="runs/a/config.json")
    with pytest.raises(ClientError, match="AccessDenied"):
        worker.put_object(Bucket="other", Key="x", Body=b"")
