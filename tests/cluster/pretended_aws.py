"""An AWS account that answers in this namespace: moto, and the cluster file filled in for it."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from cluster import aws_account

REPOSITORY = Path(__file__).parents[2]
REGION = "us-east-1"
BUCKET = "streets"
SSH_FROM = "203.0.113.7/32"


@contextmanager
def pretended_aws(host: str, home: Path, s3: Mapping[str, str] | None = None) -> Iterator[None]:
    """AWS at one of this namespace's own addresses, for this process and all that it starts.

    Args:
        host: Address to answer at.
        home: HOME meanwhile, for the key that Ray makes.
        s3: Environment of a real S3 server; none: S3 is pretended too.
    """
    with socket.socket() as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    url = f"http://{host}:{port}"
    alone = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    environment = {
        **(alone if s3 is None else s3),
        # By name, and before the general address, which can be that of the S3 server.
        **{f"AWS_ENDPOINT_URL_{name}": url for name in ("EC2", "IAM", "SSM", "STS")},
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
        "HOME": str(home),
    }
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else it notes each request
    server = ThreadedMotoServer(host, port, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        server.start()
        try:
            # moto keeps one account a process, which an earlier test may have used.
            urllib.request.urlopen(f"{url}/moto-api/reset", data=b"").close()
            yield
        finally:
            server.stop()


def checkout(folder: Path) -> Path:
    """A copy of the repository, with the cluster file as the set-up of an account leaves it.

    A copy, since the file is filled in; and without the virtual environment, all of which
    `ray up` would read in search of changes.
    """
    copy = folder / "advent_dist"
    left_out = ["--exclude=/.git", "--filter=:- .gitignore"]
    subprocess.run(["rsync", "--archive", *left_out, f"{REPOSITORY}/", copy], check=True)
    file = str(copy / "ray_cluster.yaml")
    assert aws_account.main(["--bucket", BUCKET, "--ssh-from", SSH_FROM, "--file", file]) == 0
    return copy


def instances(*states: str) -> list[dict[str, Any]]:
    """The account's instances in these states, or in any, with their tags as `tags`."""
    ec2 = boto3.client("ec2", region_name=REGION)
    reservations = ec2.describe_instances()["Reservations"]
    return [
        {**one, "tags": {tag["Key"]: tag["Value"] for tag in one.get("Tags", [])}}
        for reservation in reservations
        for one in reservation["Instances"]
        if not states or one["State"]["Name"] in states
    ]


def run_ray(repository: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of `ray` in a checkout."""
    return subprocess.run(
        [Path(sys.executable).with_name("ray"), *shlex.split(command)],
        cwd=repository,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )


def ray(repository: Path, command: str) -> str:
    """Run a command line of `ray` in a checkout, which must succeed; what it prints."""
    done = run_ray(repository, command)
    assert done.returncode == 0, done.stdout
    return done.stdout
