"""How a node's Ray is started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

_RAY = """#!/bin/sh
echo "$@" >> {calls}
[ "$1" = stop ] || [ "$(grep -c start {calls})" -gt {failures} ]
"""


@pytest.mark.parametrize(("failures", "starts", "status"), [(0, 1, 0), (1, 2, 0), (3, 3, 1)])
def test_ray_is_started_again_where_it_fails(
    tmp_path: Path, failures: int, starts: int, status: int
) -> None:
    """A stand-in for `ray`: the real one takes half a minute to fail (tests/cluster)."""
    calls = tmp_path / "calls"
    ray = tmp_path / "ray"
    ray.write_text(_RAY.format(calls=calls, failures=failures))
    ray.chmod(0o755)
    done = subprocess.run(
        ["bash", REPOSITORY / "cluster/start.sh", "ray", "start", "--address=head:6379"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    called = calls.read_text().splitlines()
    assert done.returncode == status, done.stderr
    assert called.count("start --address=head:6379") == starts
    assert called.count("stop") == min(failures, 3), "no half of an attempt is left"
    assert ("attempt 1 failed: ray start --address=head:6379" in done.stderr) == (failures > 0)
