"""The worker nodes that an autoscaler could have at the same time.

Ray does not tell: its own record of them stays empty on a cluster that `ray up` has made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_ON_THE_HEAD = Path("~/ray_bootstrap_config.yaml")
"""The cluster file, completed: `ray up` puts it there for the autoscaler."""


def autoscaled(file: Path = _ON_THE_HEAD) -> tuple[Mapping[str, float], ...]:
    """Resources of each worker node of the largest cluster; none where no autoscaler runs.

    Scripts that `ray submit`, `ray exec` and the Jobs API start run where the file is.
    """
    try:
        config = yaml.safe_load(file.expanduser().read_text())
    except OSError:
        return ()
    return largest(config) or ()


def may_grow(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether nodes may come of which nobody here can tell: KubeRay's operator adds pods.

    KubeRay sets this variable in each pod of a cluster.
    """
    return "RAY_CLUSTER_NAME" in environment


def largest(config: Mapping[str, Any]) -> tuple[Mapping[str, float], ...] | None:
    """Resources of each worker node of the largest cluster; None if the config does not tell.

    Args:
        config: A cluster file as Ray's autoscaler understands it.
    """
    kinds = [
        kind
        for name, kind in config["available_node_types"].items()
        if name != config["head_node_type"]
    ]
    if not kinds or not all(kind.get("resources") for kind in kinds):
        return None
    nodes = [kind["resources"] for kind in kinds for _ in range(kind.get("max_workers", 0))]
    most_gpus_first = sorted(nodes, key=lambda node: node.get("GPU", 0), reverse=True)
    return tuple(most_gpus_first[: config["max_workers"]])
