"""The tests that take a device."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from advent_dist.parallel.world import World
from benchmarks.gpu_checks.found import Found

TESTS = ("tests/distributed/test_one_rank.py",)


def check(world: World, scale: float) -> Found:
    """All pass on the device."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS]
    environment = {**os.environ, "ADVENT_DIST_TEST_DEVICE": world.device.type}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout[-3000:]
    [passed] = re.findall(r"(\d+) passed", done.stdout.splitlines()[-1])
    return Found(said=f"{passed} passed", numbers={"passed": int(passed)})
