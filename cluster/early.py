"""The start of Ray, which is mostly waiting, while PyTorch is imported, which is work."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy  # noqa: F401  (both sides import it: not at the same time)

from advent_dist.config import ClusterConfig
from cluster.connection import ray_cluster, starts_its_own

_SLOW = ("torch", "torchvision.transforms.v2", "timm")
"""What takes a training's command seconds to load. None of it imports Ray, or is imported by Ray's
start: two threads that import each other's modules may find them half done."""


@contextmanager
def early_ray(config: ClusterConfig) -> Iterator[None]:
    """A Ray of this machine's own, for a command that has yet to load PyTorch; else nothing.

    What the command then finds wrong ends Ray again. A cluster that others run is joined when all
    is found to be right, and not here.

    Raises:
        ConfigError: none can be started here.
    """
    if "torch" in sys.modules or not starts_its_own(config):
        yield
        return
    loading = threading.Thread(target=_load, name="imports")
    loading.start()
    with ray_cluster(config):
        loading.join()
        yield


def _load() -> None:
    for name in _SLOW:
        with suppress(Exception):  # who needs it imports it again, and says what is wrong
            importlib.import_module(name)
