"""Ray starts while a training's command loads PyTorch, where both are to be done."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import ray

from advent_dist.config import ClusterConfig
from cluster import early
from cluster.early import early_ray

_LOADED = """
import sys
from contextlib import contextmanager
from advent_dist.config import ClusterConfig
from cluster import early

assert not set(early._SLOW) & set(sys.modules)

@contextmanager
def ray_cluster(config):
    print("starts")
    yield
    print("ends")

early.ray_cluster = ray_cluster
with early.early_ray(ClusterConfig(address=ADDRESS)):
    print(*sorted(set(early._SLOW) & set(sys.modules)))
"""


def _said(address: str | None, **variables: str) -> list[str]:
    """What a process of its own says, which has loaded nothing yet."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED.replace("ADDRESS", repr(address))],
        env={**os.environ, "PYTHONPATH": os.getcwd(), "RAY_ADDRESS": "", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_all_is_loaded_when_ray_has_started() -> None:
    assert _said(None) == ["starts", " ".join(sorted(early._SLOW)), "ends"]


def test_a_cluster_of_others_is_not_joined_early() -> None:
    """It is when the config is found to be right."""
    assert _said("10.0.0.1:6379") == [""]
    assert _said(None, RAY_ADDRESS="10.0.0.1:6379") == [""]


def test_nothing_is_to_be_gained_where_pytorch_is_loaded() -> None:
    importlib.import_module("torch")
    with early_ray(ClusterConfig()):
        assert not ray.is_initialized()
