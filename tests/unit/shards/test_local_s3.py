"""The S3 server of the demo: it never outlives whoever started it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from tests.waiting import wait_until

_PROGRAM = """
import sys, time
from pathlib import Path
from shards.local_s3 import local_s3
with local_s3(Path(sys.argv[1])) as environment:
    print(environment["AWS_ENDPOINT_URL"], flush=True)
    time.sleep(60)
"""


def test_the_server_ends_with_a_killed_parent(tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline().startswith("http://127.0.0.1:")
    (server,) = psutil.Process(program.pid).children()
    program.kill()
    program.wait()
    program.stdout.close()
    wait_until(
        lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, within_s=10
    )
