"""What a run asks for against what a cluster has, or can grow to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from advent_dist.config import ClusterConfig
from cluster.doctor.finding import Finding, failure, ok, warning

Resources = Mapping[str, float]
"""Name, such as CPU or GPU -> amount."""

_CHECK = "resources"


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The nodes of a cluster."""

    nodes: tuple[Resources, ...]
    """Each node that is there, with all that it has."""

    free: tuple[Resources, ...]
    """The same nodes with what is not in use."""

    most: tuple[Resources, ...] = ()
    """Each node that an autoscaler could have at the same time; none without an autoscaler."""


def per_worker(cluster: ClusterConfig) -> dict[str, float]:
    """What one worker of a run reserves."""
    asked = {"CPU": cluster.cpus_per_worker, "GPU": cluster.gpus_per_worker}
    return {name: amount for name, amount in asked.items() if amount}


def fit(nodes: Sequence[Resources], cluster: ClusterConfig) -> int:
    """How many workers can be placed at the same time.

    Args:
        nodes: What each node has.
        cluster: What each worker asks for, and how they are to be placed.
    """
    asked = per_worker(cluster)
    rooms = [
        min(int(node.get(name, 0) // amount) for name, amount in asked.items()) for node in nodes
    ]
    if cluster.placement == "STRICT_PACK":
        return max(rooms, default=0)
    if cluster.placement == "STRICT_SPREAD":
        return sum(room > 0 for room in rooms)
    return sum(rooms)


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
