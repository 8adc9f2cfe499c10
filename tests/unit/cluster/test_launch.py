"""What the launch decides before, and understands after, Ray does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray.train
import ray.train.torch
import torch

from advent_dist.config import Experiment
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.errors import ConfigError
from cluster import capacity as capacities
from cluster import launch as launching
from tests.helpers import tiny_run


def test_local_paths_become_absolute_and_urls_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers do not run where the driver does."""
    monkeypatch.chdir(tmp_path)
    here = launching.absolute(tiny_run("data", "runs", model__weights="a.pth"))
    assert here.data.root == str(tmp_path / "data")
    assert here.run.storage == str(tmp_path / "runs")
    assert here.model.weights == str(tmp_path / "a.pth")
    monkeypatch.setenv("HOME", "/home/somebody")
    home = launching.absolute(tiny_run("data", "runs", model__weights="~/a.pth"))
    assert home.model.weights == "/home/somebody/a.pth"
    away = tiny_run("s3://bucket/data", "s3://bucket/runs", model__weights="pip:some_package")
    assert launching.absolute(away) == away
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").touch()
    folder = launching.absolute(tiny_run("data", "runs", model__weights="run"))
    assert folder.model.weights == str(tmp_path / "run" / "model.safetensors")
    bare = tiny_run("/data", "/runs")
    assert launching.absolute(bare) == bare


@pytest.fixture
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of two nodes with two CPUs each."""
    nodes = [{"Alive": True, "NodeID": name, "Resources": {"CPU": 2.0}} for name in "ab"]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(capacities.ray_state, "available_resources_per_node", dict)
    monkeypatch.setattr(capacities.ray_state, "get_cluster_config", lambda: None)


def _asking(**cluster: Any) -> Experiment:
    return tiny_run(
        "data", "runs", **{f"cluster__{name}": asked for name, asked in cluster.items()}
    )


@pytest.mark.usefixtures("four_cpus")
def test_too_small_a_cluster_is_refused() -> None:
    launching.check_resources(_asking(workers=4))
    launching.check_resources(_asking(workers=5, min_workers=4, max_failures=3))
    with pytest.raises(ConfigError, match=r"cluster.workers = 5: .* more than 4 workers of 1 CPU"):
        launching.check_resources(_asking(workers=5))
    with pytest.raises(ConfigError, match=r"cluster.min_workers = 5: .* more than 4 workers"):
        launching.check_resources(_asking(workers=6, min_workers=5, max_failures=3))
    with pytest.raises(ConfigError, match=r"more than 0 workers of 3 CPU"):
        launching.check_resources(_asking(cpus_per_worker=3.0))
    with pytest.raises(ConfigError, match=r"more than 0 workers of 1 CPU and 1 GPU"):
        launching.check_resources(_asking(gpus_per_worker=1.0))
    with pytest.raises(ConfigError, match=r"more than 2 workers .* STRICT_SPREAD"):
        launching.check_resources(_asking(workers=3, placement="STRICT_SPREAD"))


def test_gpus_that_were_asked_for_are_not_hidden() -> None:
    """Which of a node's they are is Ray's to say."""
    assert launching.worker_environment(_asking(gpus_per_worker=1).cluster) == {"env_vars": {}}


def test_the_trainer_is_what_the_config_says(tmp_path: Path) -> None:
    experiment = tiny_run(
        "s3://bucket/data",
        str(tmp_path),
        cluster__workers=3,
        cluster__max_failures=2,
        cluster__placement="SPREAD",
        cluster__environment=("NCCL_SOCKET_IFNAME=eth0", "OMP_NUM_THREADS=2"),
    )
    trainer = launching.build_trainer(experiment, CAMVID_11, tmp_path, observer=None)
    scaling, run = trainer.scaling_config, trainer.run_config
    assert scaling.num_workers == 3
    assert scaling.placement_strategy == "SPREAD"
    assert not scaling.use_gpu
    assert run.failure_config.max_failures == 2
    variables = {"NCCL_SOCKET_IFNAME": "eth0", "OMP_NUM_THREADS": "2"}
    assert run.worker_runtime_env == {"env_vars": {**variables, "CUDA_VISIBLE_DEVICES": ""}}
    assert run.storage_path == str(tmp_path), "nothing of Ray's is in the run's folder"


def test_ray_leaves_the_gpu_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank chooses it itself, once its readers are forked."""
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(ray.train.torch, "get_device", lambda: torch.device("cuda", 1))
    experiment = tiny_run("data", str(tmp_path))
    trainer = launching.build_trainer(experiment, CAMVID_11, tmp_path, observer=None)
    with trainer.backend_config.train_func_context():
        assert chosen == []
