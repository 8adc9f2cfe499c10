"""What ray_cluster.yaml needs in an AWS account: a bucket, roles, and a security group.

python -m cluster.aws_account --bucket NAME --ssh-from ADDRESS/32

It can be called again: what is there already is kept, but for the addresses that may use ssh. In
the cluster file it fills in the names.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import tyro
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from advent_dist.data.store import local_path
from advent_dist.errors import ConfigError, UserError

NAME = "advent-dist"
BUCKET, GROUP = "CHANGE-ME-bucket", "CHANGE-ME-group"
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Account:
    """Make what the AWS cluster file needs, and fill it in there."""

    bucket: str
    """Bucket for shards, runs and wheels; made if it is not there."""

    ssh_from: str
    """Addresses that may use ssh, such as 203.0.113.7/32: your own."""

    file: Path = Path("ray_cluster.yaml")
    """The cluster file; its region is used."""


def main(arguments: list[str]) -> int:
    """Run the command; the exit status."""
    options = tyro.cli(Account, args=arguments, prog="python -m cluster.aws_account")
    try:
        prepare(options)
    except (ClientError, BotoCoreError) as error:
        sys.stderr.write(f"cluster.aws_account: AWS refuses: {error}\n")
        return 1
    except UserError as error:
        sys.stderr.write(f"cluster.aws_account: {error}\n")
        return 1
    return 0


def prepare(options: Account) -> None:
    """Make everything, and fill in the cluster file.

    Raises:
        ConfigError: the addresses or the file are none, or the file names another bucket.
        DataError: the file is a URL.
        ClientError: AWS refuses something.
    """
    options = replace(options, file=local_path("--file", options.file))
    allowed = _network(options.ssh_from)
    try:
        text = options.file.read_text()
        region = yaml.safe_load(text)["provider"]["region"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigError(f"--file {options.file}: no cluster file of AWS ({error})") from error
    if BUCKET not in text and f"s3://{options.bucket}/" not in text:
        raise ConfigError(
            f"--bucket {options.bucket}: {options.file} names another one already; give that, or "
            "correct the s3:// URLs there first"
        )
    session = boto3.Session(region_name=region)
    _make_bucket(session.client("s3"), options.bucket, region)
    for role, policies in (
        ("worker", ("iam_policy.json", "iam_worker_policy.json")),
        ("head", ("iam_policy.json", "iam_head_policy.json")),
    ):
        _make_role(session.client("iam"), f"{NAME}-{role}", policies, options.bucket)
    _allow_spot_instances(session.client("iam"))
    group = _make_group(session.client("ec2"), allowed)
    options.file.write_text(text.replace(BUCKET, options.bucket).replace(GROUP, group))
    sys.stdout.write(f"{options.file}: bucket {options.bucket}, security group {group}\n")


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(f"--ssh-from {text}: {error}; give ADDRESS/32") from error
    if network.prefixlen == 0:
        raise ConfigError(f"--ssh-from {text}: that is everybody; give your own ADDRESS/32")
    return str(network)


def _make_bucket(s3: Any, bucket: str, region: str) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        # us-east-1 is the one region that must not be named.
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else place))


def _make_role(iam: Any, name: str, policies: tuple[str, ...], bucket: str) -> None:
    """A role that instances take on, with exactly these policies of this folder."""
    trust = (_HERE / "iam_trust.json").read_text()
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    for file in policies:
        document = json.loads((_HERE / file).read_text().replace(BUCKET, bucket))
        iam.put_role_policy(
            RoleName=name, PolicyName=Path(file).stem, PolicyDocument=json.dumps(document)
        )
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_instance_profile(InstanceProfileName=name)
    with suppress(iam.exceptions.LimitExceededException):  # a profile has one role
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def _allow_spot_instances(iam: Any) -> None:
    """The role by which EC2 starts spot instances: a new account has none, and the head may not."""
    taken = (
        iam.exceptions.InvalidInputException,
        iam.exceptions.EntityAlreadyExistsException,
    )
    with suppress(*taken):
        iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")


def _make_group(ec2: Any, allowed: str) -> str:
    """A security group in the default network: ssh from `allowed`, and all among its members."""
    is_default = [{"Name": "is-default", "Values": ["true"]}]
    networks = ec2.describe_vpcs(Filters=is_default)["Vpcs"]
    if not networks:
        raise ConfigError(
            "the account has no default VPC in the file's region: aws ec2 create-default-vpc"
        )
    network = networks[0]["VpcId"]
    filters = [{"Name": "group-name", "Values": [NAME]}, {"Name": "vpc-id", "Values": [network]}]
    found = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    if found:
        group: str = found[0]["GroupId"]
        _close_ssh(ec2, found[0])
    else:
        what = "ssh from one address; everything among the nodes"
        made = ec2.create_security_group(GroupName=NAME, Description=what, VpcId=network)
        group = made["GroupId"]
    among = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    key = "CidrIpv6" if ":" in allowed else "CidrIp"
    ranges = "Ipv6Ranges" if ":" in allowed else "IpRanges"
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, ranges: [{key: allowed}]}
    _allow(ec2, group, among)
    _allow(ec2, group, ssh)
    return group


def _close_ssh(ec2: Any, group: dict[str, Any]) -> None:
    """Take ssh from all addresses that an earlier call has let in."""
    ssh = [rule for rule in group["IpPermissions"] if rule.get("FromPort") == 22]
    if ssh:
        ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=ssh)


def _allow(ec2: Any, group: str, rule: dict[str, Any]) -> None:
    try:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidPermission.Duplicate":
            raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
