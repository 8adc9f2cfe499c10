"""`python -m cluster.spot` on a worker that its cloud may take away: passes the notice on to Ray.

AWS tells a spot instance two minutes before, Google Cloud half a minute, by a server that only the
machine itself reaches. Ray then places nothing new on the node, and trainings save a checkpoint.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timezone
from http.client import HTTPException
from typing import Literal

import tyro

_AWS = "http://169.254.169.254"
_GOOGLE = "http://metadata.google.internal"
_TIMEOUT_S = 2.0
_GOOGLE_GRACE_S = 25


@dataclass(frozen=True, kw_only=True)
class Options:
    """Watch for the notice that this machine will be taken away, and drain its Ray node then."""

    cloud: Literal["aws", "google"] = "aws"
    """Whose metadata server is asked."""

    server: str | None = None
    """URL of the metadata server; none takes the cloud's own."""

    every_s: float = 5.0
    """Seconds between two questions."""

    address: str = "auto"
    """Address of the Ray cluster that this machine belongs to."""


def seconds_left(options: Options) -> float | None:
    """Seconds until the machine goes; None without a notice.

    Raises:
        OSError, HTTPException: the server does not answer.
        ValueError, KeyError: the answer is none.
    """
    return _google(options.server or _GOOGLE) if options.cloud == "google" else _aws(options)


def _aws(options: Options) -> float | None:
    server = options.server or _AWS
    token = _ask(
        f"{server}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT"
    )
    url = f"{server}/latest/meta-data/spot/instance-action"
    try:
        action = json.loads(_ask(url, {"X-aws-ec2-metadata-token": token}))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise
    when = datetime.fromisoformat(action["time"].replace("Z", "+00:00"))
    return (when - datetime.now(timezone.utc)).total_seconds()


def _google(server: str) -> float | None:
    url = f"{server}/computeMetadata/v1/instance/preempted"
    return _GOOGLE_GRACE_S if _ask(url, {"Metadata-Flavor": "Google"}) == "TRUE" else None


def _ask(url: str, headers: dict[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(url, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        text: str = answer.read().decode().strip()
    return text


def drain(seconds: float, address: str) -> int:
    """Tell Ray that this node goes in so many seconds; the exit status of Ray's command."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "drain-node", "--address", address),
            *("--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot notice"),
            *("--deadline-remaining-seconds", str(max(0, int(seconds)))),
        ],
        env={**os.environ, "RAY_ADDRESS": address},  # by which Ray finds out which node this is
    ).returncode


def watch(options: Options) -> int:
    """Wait for the notice, and pass it on until Ray has taken it or the time is up.

    Returns:
        The exit status: 0 if Ray knows.
    """
    while True:
        try:
            left = seconds_left(options)
        # A server that is not there or busy, and answers that are none.
        except (OSError, HTTPException, ValueError, KeyError) as error:
            sys.stderr.write(f"{options.cloud}: {error!r}\n")
            left = None
        if left is not None:
            sys.stderr.write(f"this machine goes in {left:.0f} s\n")
            if drain(left, options.address) == 0:
                return 0
            if left <= 0:
                return 1
        time.sleep(options.every_s)


if __name__ == "__main__":
    sys.exit(watch(tyro.cli(Options, prog="python -m cluster.spot")))
