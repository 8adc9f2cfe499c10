"""What a run asks for against what a cluster has, or can grow to."""

from __future__ import annotations

from advent_dist.config import ClusterConfig
from cluster.autoscaled import may_grow
from cluster.capacity import Capacity, Resources, fit, per_worker
from cluster.doctor.finding import Finding, failure, ok, warning

_CHECK = "resources"


def judge_resources(cluster: ClusterConfig, capacity: Capacity, where: str) -> list[Finding]:
    """Whether all workers of a run can be placed: now, later, or never.

    Args:
        cluster: What is asked for.
        capacity: What there is.
        where: Name of the cluster.
    """
    there, free = fit(capacity.nodes, cluster), fit(capacity.free, cluster)
    most = max(fit(capacity.most, cluster), there)
    each = " and ".join(f"{amount:g} {name}" for name, amount in per_worker(cluster).items())
    asked = f"{cluster.workers} workers of {each} ({cluster.placement})"
    if cluster.workers > most and may_grow():
        fix = "maxReplicas of the RayCluster has to allow for them"
        return [warning(_CHECK, where, f"{asked}: {there} fit, KubeRay has to add pods", fix)]
    if cluster.workers > most:
        fix = f"--cluster.workers {most}" if most else "ask for less per worker"
        said = f"{asked}: there is never room for more than {most}"
        return [failure(_CHECK, where, said, f"{fix}, or add nodes (max_workers of the file)")]
    if cluster.workers > there:
        return [ok(_CHECK, where, f"{asked}: {there} fit, the autoscaler has to add nodes")]
    if cluster.workers > free:
        said = f"{asked}: {there} fit, but only {free} while others use the cluster"
        return [warning(_CHECK, where, said, "the run will wait until the others end")]
    return [ok(_CHECK, where, f"{asked}: {there} fit")]


def judge_head(head: Resources, num_nodes: int) -> list[Finding]:
    """Whether training stays away from the head, whose death ends everything.

    Args:
        head: What Ray may place on the head.
        num_nodes: Nodes of the cluster with it.
    """
    if num_nodes > 1 and head.get("CPU", 0) + head.get("GPU", 0) > 0:
        said = "workers may be placed on the head: if they exhaust it, the cluster ends"
        return [warning(_CHECK, "head", said, "ray start --head --num-cpus=0 --num-gpus=0")]
    return []
