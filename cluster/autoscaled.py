"""The worker nodes that an autoscaler will have at least, and could have at the same time.

Ray does not tell: its own record of them stays empty on a cluster that `ray up` has made. Scripts
that `ray submit`, `ray exec` and the Jobs API start run on the head, which knows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.kuberay.node_provider import KubernetesHttpApiClient

_ON_THE_HEAD = Path("~/ray_bootstrap_config.yaml")
"""The cluster file, completed: `ray up` puts it there for the autoscaler."""

_KUBERAY = "RAY_CLUSTER_NAME"
"""A variable that KubeRay sets in each pod of a cluster."""

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where Kubernetes tells a pod its namespace."""


def autoscaled(file: Path = _ON_THE_HEAD) -> tuple[Mapping[str, float], ...]:
    """Resources of each worker node of the largest cluster; none where no autoscaler tells."""
    config = _config(file)
    return (largest(config) or ()) if config else ()


def at_least(file: Path = _ON_THE_HEAD) -> int:
    """Worker nodes that an autoscaler starts without being asked."""
    config = _config(file)
    kinds = config["available_node_types"].values() if config else ()
    return sum(kind.get("min_workers", 0) for kind in kinds)


def may_grow() -> bool:
    """Whether nodes may come of which nobody here can tell: KubeRay's operator adds pods."""
    return _KUBERAY in os.environ and _of_kuberay() is None


def _config(file: Path) -> Mapping[str, Any] | None:
    """The cluster file as Ray's autoscaler understands it; None where there is none."""
    if _KUBERAY in os.environ:
        return _of_kuberay()
    try:
        config: Mapping[str, Any] = yaml.safe_load(file.expanduser().read_text())
    except OSError:
        return None
    return config


def _of_kuberay() -> Mapping[str, Any] | None:
    """The RayCluster of this pod; None if the pod may not read it: only the head's has to."""
    try:
        kubernetes = KubernetesHttpApiClient(namespace=_NAMESPACE.read_text())
        cluster = kubernetes.get(f"rayclusters/{os.environ[_KUBERAY]}")
    except OSError:  # files that are not there, and all that requests raises
        return None
    config: Mapping[str, Any] = _derive_autoscaling_config_from_ray_cr(cluster)
    return config


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
