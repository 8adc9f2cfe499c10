"""What `cluster.gpus_per_worker` = auto comes to, and what a run says of its device."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from advent_dist.config.override import from_json, to_json
from advent_dist.experiments import EXPERIMENTS, experiment
from cluster.capacity import Capacity
from cluster.device import on_device
from tests.helpers import tiny_run

CPU, GPUS = {"CPU": 8.0}, {"CPU": 8.0, "GPU": 2.0}


@pytest.fixture(autouse=True)
def with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever PyTorch the tests run with."""
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)


def _decided(*nodes: dict[str, float], most: Any = (), **changes: Any) -> tuple[object, str]:
    run = tiny_run("data", "runs", **{"cluster__gpus_per_worker": "auto", **changes})
    decided, said = on_device(run, Capacity(nodes=nodes, free=nodes, most=most))
    return decided.cluster.gpus_per_worker, said


def test_auto_takes_a_gpu_a_worker_where_there_are_so_many() -> None:
    assert _decided(GPUS) == (
        1,
        "trains on GPUs, 1 for each of 2 workers: the cluster has 2 (cluster.gpus_per_worker = "
        "auto)",
    )
    gpus, _ = _decided(CPU, most=(GPUS,))
    assert gpus == 1, "nodes that an autoscaler can add"
    gpus, _ = _decided(GPUS, cluster__workers=8, cluster__min_workers=2, cluster__max_failures=3)
    assert gpus == 1, "an elastic run is content with fewer"


def test_auto_trains_on_cpus_where_there_are_too_few_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _decided(CPU)[0] == 0
    assert "trains on CPUs: the cluster has no GPU" in _decided(CPU)[1]
    gpus, said = _decided(GPUS, cluster__workers=3)
    assert gpus == 0
    assert "has room for 2 workers of 1 CPU and 1 GPU each, not for 3" in said
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    assert _decided(GPUS)[0] == 0
    assert "built without CUDA" in _decided(GPUS)[1]


def test_a_number_is_what_it_says() -> None:
    asked = {"cluster__gpus_per_worker": 2}
    assert _decided(CPU, **asked) == (
        2,
        "trains on GPUs, 2 for each of 2 workers, as cluster.gpus_per_worker = 2 says",
    )
    gpus, said = _decided(GPUS, cluster__gpus_per_worker=0)
    assert gpus == 0
    assert said.endswith("as cluster.gpus_per_worker = 0 says; the cluster has GPUs (2)")


def test_experiments_that_are_not_for_cpus_take_what_there_is() -> None:
    for name in EXPERIMENTS:
        gpus = experiment(name).cluster.gpus_per_worker
        assert gpus == (0 if name.startswith(("camvid", "streets")) else "auto"), name


def test_the_word_is_kept_for_a_resumption_elsewhere() -> None:
    run = experiment("gta5_cityscapes_advent")
    assert from_json(to_json(run)).cluster.gpus_per_worker == "auto"
