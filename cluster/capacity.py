"""The nodes of a Ray cluster: which of them train, what they have, how many workers fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray._private.state import state as ray_state

from advent_dist.config import ClusterConfig
from advent_dist.errors import ConfigError
from cluster.autoscaled import autoscaled

Resources = Mapping[str, float]
"""Name, such as CPU or GPU -> amount."""

HEAD = "node:__internal_head__"
"""A resource that Ray gives to the head, of every cluster, and to no other node."""

_NODE_ID = "ray.io/node-id"
"""A label that Ray puts on every node."""


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
    """What Ray reserves for one worker of a run, whose device is known (`device.on_device`)."""
    assert not isinstance(cluster.gpus_per_worker, str), "`on_device` has made a number of `auto`"
    asked = {"CPU": cluster.cpus_per_worker, "GPU": cluster.gpus_per_worker}
    return {name: amount for name, amount in asked.items() if amount}


def fit(nodes: Sequence[Resources], cluster: ClusterConfig) -> int:
    """How many workers can be placed at the same time.

    Args:
        nodes: What each node has.
        cluster: What each worker asks for, and how they are to be placed.
    """
    rooms = _rooms(nodes, cluster)
    if cluster.placement == "STRICT_PACK":
        return max(rooms, default=0)
    if cluster.placement == "STRICT_SPREAD":
        return sum(room > 0 for room in rooms)
    return sum(rooms)


def fit_runs(nodes: Sequence[Resources], cluster: ClusterConfig) -> int:
    """How many runs of `cluster.workers` workers can be placed at the same time."""
    rooms, workers = _rooms(nodes, cluster), cluster.workers
    if cluster.placement == "STRICT_PACK":
        return sum(room // workers for room in rooms)
    runs = sum(rooms) // workers
    if cluster.placement == "STRICT_SPREAD":
        # A node takes one worker of each run at most.
        while sum(min(room, runs) for room in rooms) < runs * workers:
            runs -= 1
    return runs


def _rooms(nodes: Sequence[Resources], cluster: ClusterConfig) -> list[int]:
    asked = {name: _units(amount) for name, amount in per_worker(cluster).items()}
    return [
        min(_units(node.get(name, 0)) // amount for name, amount in asked.items()) for node in nodes
    ]


def _units(amount: float) -> int:
    """In ten thousandths, as Ray counts: five fifths of a GPU are one."""
    return round(amount * 10_000)


def training_nodes(cluster: ClusterConfig) -> list[dict[str, Any]]:
    """Ray's records of the connected cluster's nodes that workers may be placed on."""
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    others = [node for node in alive if HEAD not in node["Resources"]]
    return alive if cluster.head_trains or not others else others


def leaving_nodes() -> set[str]:
    """Ids of the nodes that have been called back, or drained, and take no new workers."""
    return set(ray_state.get_draining_nodes())


def staying_nodes() -> set[str]:
    """Ids of the nodes that new workers can be placed on, as of now."""
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
    return alive - leaving_nodes()


def idle_head(cluster: ClusterConfig) -> str | None:
    """Id of a head that has room for workers, but trains none since there are other nodes."""
    chosen = {node["NodeID"] for node in training_nodes(cluster)}
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        is_left_out = node["Alive"] and node["NodeID"] not in chosen
        if is_left_out and has_room(node["Resources"], cluster):
            return str(node["NodeID"])
    return None


def has_room(node: Resources, cluster: ClusterConfig) -> bool:
    """Whether a worker can be placed on a node that has nothing else to do."""
    return _rooms([node], cluster)[0] > 0


def label_selector(node_left_out: str | None) -> dict[str, str] | None:
    """All nodes but one, in Ray's terms; None is all of them."""
    return {_NODE_ID: f"!{node_left_out}"} if node_left_out else None


def capacity(nodes: Sequence[Mapping[str, Any]]) -> Capacity:
    """What nodes of the connected cluster have, and what an autoscaler could have.

    Args:
        nodes: Ray's records of them.
    """
    free = ray_state.available_resources_per_node()  # type: ignore[no-untyped-call]
    return Capacity(
        nodes=tuple(dict(node["Resources"]) for node in nodes),
        free=tuple(free.get(node["NodeID"], {}) for node in nodes),
        most=autoscaled(),
    )


def require_room(workers: int, gpus_per_worker: int) -> None:
    """Refuse more workers, of one CPU each, than the connected cluster can have.

    Ray would wait without a word.

    Raises:
        ConfigError: it has too little room and does not grow.
    """
    one = ClusterConfig(cpus_per_worker=1, gpus_per_worker=gpus_per_worker)
    there = capacity(ray.nodes())  # type: ignore[no-untyped-call]
    room = max(fit(there.nodes, one), fit(there.most, one))
    if workers > room:
        gpus = f" and {gpus_per_worker} GPUs" if gpus_per_worker else ""
        raise ConfigError(
            f"--workers {workers}: the cluster has room for {room} of 1 CPU{gpus} each; give fewer "
            "workers, or add nodes"
        )
