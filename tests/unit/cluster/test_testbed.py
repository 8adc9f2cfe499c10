"""What the test bed says before it makes any namespace."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

ENTER = Path(__file__).parents[3] / "cluster" / "testbed" / "enter.sh"


def test_a_clone_that_no_host_would_see_is_named() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as clone:
        copy = Path(clone, "cluster", "testbed", "enter.sh")
        copy.parent.mkdir(parents=True)
        shutil.copy(ENTER, copy)
        done = subprocess.run([copy, "true"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"test bed: {clone} lies in a folder that each host has of its own (/tmp, /run, /dev/shm): "
        "clone the repository elsewhere"
    ]
