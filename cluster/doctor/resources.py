"""What a run asks for against what a cluster has, or can grow to."""

from __future__ import annotations

from advent_dist.config import ClusterConfig, Experiment
from advent_dist.training.global_batch import allowed_ranks
from cluster.autoscaled import may_grow
from cluster.capacity import Capacity, fit, per_worker
from cluster.device import on_device
from cluster.doctor.finding import Finding, failure, ok, warning

_CHECK = "resources"


def judge_resources(experiment: Experiment, capacity: Capacity, where: str) -> list[Finding]:
    """Whether the workers of a run can be placed: now, later, or never.

    Args:
        experiment: The run to be.
        capacity: What there is for it.
        where: Name of the cluster.
    """
    experiment, _ = on_device(experiment, capacity)
    cluster = experiment.cluster
    fewest = allowed_ranks(experiment)[0]
    there, free = fit(capacity.nodes, cluster), fit(capacity.free, cluster)
    most = max(fit(capacity.most, cluster), there)
    each = " and ".join(f"{amount:g} {name}" for name, amount in per_worker(cluster).items())
    asked = f"{cluster.workers} workers of {each} ({cluster.placement})"
    if fewest < cluster.workers:
        asked = f"{fewest} to {asked}"
    if fewest > most and may_grow():
        fix = "maxReplicas of the RayCluster has to allow for them"
        return [warning(_CHECK, where, f"{asked}: {there} fit, KubeRay has to add pods", fix)]
    if fewest > most:
        fix = f"--cluster.workers {most}" if most else "ask for less per worker"
        said = f"{asked}: there is never room for more than {most}"
        return [failure(_CHECK, where, said, f"{fix}, or add nodes (max_workers of the file)")]
    if fewest > there:
        return [ok(_CHECK, where, f"{asked}: {there} fit, the autoscaler has to add nodes")]
    if fewest > free:
        said = f"{asked}: {there} fit, but only {free} while others use the cluster"
        return [warning(_CHECK, where, said, "the run will wait until the others end")]
    return [ok(_CHECK, where, f"{asked}: {there} fit")]


def judge_head(cluster: ClusterConfig, *, is_idle: bool, num_nodes: int) -> list[Finding]:
    """Whether training stays away from the head, whose death ends everything.

    Args:
        cluster: What is asked for.
        is_idle: Whether the head has room for workers and gets none.
        num_nodes: Nodes of the cluster with it.
    """
    if cluster.min_workers is not None and is_idle:
        said = "cluster.min_workers: Ray counts the head's room, which an elastic run leaves unused"
        fix = "ray start --head --num-cpus=0 --num-gpus=0, or --cluster.head-trains"
        return [failure(_CHECK, "head", said, fix)]
    if cluster.head_trains and num_nodes > 1:
        said = "workers may be placed on the head: if they exhaust it, the cluster ends"
        return [warning(_CHECK, "head", said, "--no-cluster.head-trains")]
    return []
