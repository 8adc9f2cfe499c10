"""Processes that hold no network do without PyTorch: seconds of each start of a run or a trial."""

from __future__ import annotations

import subprocess
import sys

_PASSES_THROUGH = "cluster.worker, cluster.launch, tune.trial, advent_dist.runs.status"
_HEAVY = ("torch", "timm", "torchvision", "deepspeed", "mlflow")


def test_controllers_trials_and_status_do_without_pytorch() -> None:
    code = f"import sys, {_PASSES_THROUGH}; print(*(m for m in {_HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
