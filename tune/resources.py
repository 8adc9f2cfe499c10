"""What a trial holds of the cluster, and how many of them fit."""

from __future__ import annotations

import math
from typing import Any

import ray
from ray.tune import PlacementGroupFactory

from advent_dist.config import ClusterConfig
from advent_dist.errors import ConfigError
from cluster.launch import check_resources, worker_resources
from tune.plan import Plan

_DRIVER = {"node:__internal_head__": 0.001}
"""A trial's function on the head node, where Ray Train's workers hold resources of their own. Ray
has this resource on every head; holding next to nothing of it keeps all CPUs for workers."""


def of_trial(plan: Plan) -> PlacementGroupFactory:
    """What Ray Tune reserves for a trial."""
    cluster = plan.experiment.cluster
    if plan.warm:
        return PlacementGroupFactory(
            [worker_resources(cluster)] * cluster.workers, strategy=cluster.placement
        )
    return PlacementGroupFactory([_DRIVER])


def max_concurrent(plan: Plan) -> int:
    """How many trials run at a time on the connected cluster.

    Raises:
        ConfigError: not even one fits, or not as many as `--max-concurrent` asks for.
    """
    cluster = plan.experiment.cluster
    check_resources(cluster)
    fitting = _fitting(cluster, ray.nodes()) // cluster.workers  # type: ignore[no-untyped-call]
    if fitting == 0:
        raise ConfigError(
            f"no {cluster.workers} workers with {worker_resources(cluster)} each fit onto the "
            "cluster's nodes; lower --workers-per-trial, --cpus-per-trial or --gpus-per-trial"
        )
    asked = plan.options.max_concurrent or fitting
    if asked > fitting:
        raise ConfigError(
            f"--max-concurrent {asked}: the cluster holds {fitting} trials of {cluster.workers} "
            f"workers with {worker_resources(cluster)} each; lower it or leave it out"
        )
    return asked


def _fitting(cluster: ClusterConfig, nodes: list[dict[str, Any]]) -> int:
    """How many workers fit onto the nodes that are alive, each onto one of them."""
    wanted = worker_resources(cluster)
    return sum(
        min(math.floor(node["Resources"].get(name, 0) / amount) for name, amount in wanted.items())
        for node in nodes
        if node["Alive"]
    )
