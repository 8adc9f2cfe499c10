"""A machine has GPUs that a run did not ask for: all of it stays on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from advent_dist.config.override import to_json
from advent_dist.runs.folder import RunFolder
from tests.helpers import tiny_run, write_tiny_shards

_GPUS = """
import os
import sys
import ray

def gpus_are_seen():
    '''Has PyTorch count GPUs as CUDA does: by the variable, when it is asked.'''
    import torch
    seen = lambda: len([one for one in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if one])
    torch.cuda.device_count = seen
    torch.cuda.is_available = lambda: seen() > 0

ray.init(
    address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False,
    runtime_env={"worker_process_setup_hook": gpus_are_seen},
)
"""

_TRAINS = f"""{_GPUS}
from advent_dist.config.override import from_json
from cluster.launch import launch
assert launch(from_json(open(sys.argv[1]).read())).step == 1
"""

_PREDICTS = f"""{_GPUS}
from advent_dist.errors import DataError
from advent_dist.runs.trained import available_device
from cluster.predicting import on_ray

class Predictor:
    def predict(self, names):
        return [(name, DataError(f"on {{available_device()}}")) for name in names]

class Job:
    def predictor(self):
        return Predictor()

for gpus in (0, 1):
    with on_ray(Job(), 1, gpus, None) as predict:
        print(*(str(outcome) for _, outcome in predict(["image"])))
"""


def test_a_run_stays_on_the_cpu(tmp_path: Path) -> None:
    """Workers see CUDA's devices unless they are hidden; DeepSpeed takes what it sees."""
    write_tiny_shards(str(tmp_path / "data"))
    run = tiny_run(str(tmp_path / "data"), str(tmp_path / "runs"), run__steps=1, cluster__workers=1)
    config = tmp_path / "config.json"
    config.write_text(to_json(run))
    done = subprocess.run(
        [sys.executable, "-c", _TRAINS, str(config)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "0,1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said = "-- trains on CPUs, as cluster.gpus_per_worker = 0 says; the cluster has GPUs (2)"
    assert said in done.stderr
    assert [row["step"] for row in RunFolder.of(run).rows()] == [1]


def test_predictions_stay_where_they_were_asked_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PREDICTS],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "0,1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["on cpu", "on cuda"]
