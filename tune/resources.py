"""What a trial holds of the cluster, and how many of them fit."""

from __future__ import annotations

from typing import Any

from ray.tune import PlacementGroupFactory

from advent_dist.errors import ConfigError
from cluster.autoscaled import may_grow
from cluster.capacity import (
    HEAD,
    capacity,
    fit_runs,
    idle_head,
    label_selector,
    per_worker,
    training_nodes,
)
from cluster.launch import check_resources
from tune.plan import Plan

_DRIVER = {HEAD: 0.001}
"""A trial's function on the head node, where Ray Train's workers hold resources of their own.
Holding next to nothing of this resource keeps all CPUs for workers."""


def of_trial(plan: Plan) -> PlacementGroupFactory:
    """What Ray Tune reserves for a trial on the connected cluster."""
    cluster = plan.experiment.cluster
    if not plan.warm:
        return PlacementGroupFactory([_DRIVER])
    workers = cluster.workers
    selector = label_selector(idle_head(cluster))
    chosen: dict[str, Any] = {"bundle_label_selector": [selector] * workers} if selector else {}
    return PlacementGroupFactory(
        [per_worker(cluster)] * workers, strategy=cluster.placement, **chosen
    )


def max_concurrent(plan: Plan) -> int:
    """How many trials run at a time on the connected cluster, or on what it can grow to.

    Raises:
        ConfigError: not even one fits, or not as many as `--max-concurrent` asks for.
    """
    cluster = plan.experiment.cluster
    check_resources(plan.experiment)
    there = capacity(training_nodes(cluster))
    # An elastic trial is content with less, so that one at a time there always is room for.
    fitting = max(fit_runs(there.nodes, cluster), fit_runs(there.most, cluster), 1)
    if may_grow():
        fitting = plan.num_trials
    asked = plan.options.max_concurrent or fitting
    if asked > fitting:
        raise ConfigError(
            f"--max-concurrent {asked}: the cluster holds {fitting} trials of {cluster.workers} "
            f"workers with {per_worker(cluster)} each; lower it or leave it out"
        )
    return asked
