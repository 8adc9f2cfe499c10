"""Processes that hold no network import none: seconds of each start of a run or a trial."""

from __future__ import annotations

import subprocess
import sys

_PASSES_THROUGH = "cluster.worker, cluster.launch, tune.trial"
_HEAVY = ("timm", "torchvision", "torch._dynamo", "torch.utils.tensorboard", "deepspeed", "mlflow")


def test_controllers_and_trials_import_no_networks() -> None:
    code = f"import sys, {_PASSES_THROUGH}; print(*(m for m in {_HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
