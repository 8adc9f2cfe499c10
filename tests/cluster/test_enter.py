"""The test bed leaves nothing behind, also when it is killed. `make test-cluster` runs it."""

from __future__ import annotations

import os
import signal
import subprocess

import psutil
import pytest

from tests.cluster.rack import REPOSITORY
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    "ADVENT_DIST_TESTBED" not in os.environ, reason="hosts in namespaces: make test-cluster"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(number: signal.Signals) -> None:
    command = ["sleep", f"{12345 + number}"]
    bed = subprocess.Popen([REPOSITORY / "cluster" / "testbed" / "enter.sh", *command])
    wait_until(lambda: _runs(command), within_s=10)
    bed.send_signal(number)
    assert bed.wait(10) != 0
    wait_until(lambda: not _runs(command), within_s=10)


def _runs(command: list[str]) -> bool:
    return any(one.info["cmdline"] == command for one in psutil.process_iter(["cmdline"]))
