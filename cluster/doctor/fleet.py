"""An examiner on every node of a Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from advent_dist.config import ClusterConfig, DataConfig
from advent_dist.data.store import open_folder, read_manifest
from advent_dist.errors import UserError
from cluster.capacity import has_room, training_nodes
from cluster.doctor.finding import Finding, failure
from cluster.doctor.links import Transfer, fetch, read_some, serve
from cluster.doctor.node import Node, look_around
from cluster.doctor.storage import Token, Trial, try_reading, try_storage

_ANSWERS_WITHIN_S = 120.0
"""A worker process takes up to a minute to import everything on a busy node, and longer on a new
one whose disk has not been read yet; a run is refused for a node that is silent."""


@ray.remote(num_cpus=0)
class _Examiner:
    """The doctor's hands on one node, with that node's environment and credentials."""

    def __init__(self, address: str) -> None:
        self._address = address

    def now(self) -> float:
        return time.time()

    def look_around(self, cache_dir: str | None) -> Node:
        return look_around(cache_dir)

    def try_storage(self, token: Token, name: str) -> Trial:
        return try_storage(token, name)

    def try_reading(self, urls: list[str], data: DataConfig) -> Trial:
        return try_reading(urls, data)

    def read_some(self, url: str, data: DataConfig) -> Transfer:
        try:
            return read_some(open_folder(url, data), read_manifest(url, data))
        except UserError as error:
            return Transfer(error=str(error))

    def serve(self) -> tuple[str, int]:
        return self._address, serve(self._address)

    def fetch(self, address: str, port: int) -> Transfer:
        return fetch(address, port)


class Fleet:
    """The examiners of all nodes that are alive; those that stay silent are dropped and named."""

    def __init__(self) -> None:
        alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        fix = "start its nodes: ray start, ray up"
        none = failure("nodes", "cluster", "no node is alive", fix)
        self.silent: list[Finding] = [] if alive else [none]
        self._records = {name: node for node, name in zip(alive, _names(alive), strict=True)}
        self._examiners = {
            name: _Examiner.options(  # type: ignore[attr-defined]
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(node["NodeManagerAddress"])
            for name, node in self._records.items()
        }

    @property
    def names(self) -> list[str]:
        """The nodes that answer, by address; several on one address are numbered."""
        return list(self._examiners)

    def ask(self, method: str, *arguments: Any, named: bool = False) -> dict[str, Any]:
        """Call a method of every examiner at the same time.

        Args:
            method: Name of the method.
            arguments: What to call it with.
            named: Add the node's name to the arguments.

        Returns:
            Name of a node -> its answer.
        """
        asked = {
            name: getattr(one, method).remote(*arguments, *([name] if named else []))
            for name, one in self._examiners.items()
        }
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=_ANSWERS_WITHIN_S)
        answers = {}
        for name, reference in asked.items():
            with self.dropping(name):
                answers[name] = ray.get(reference, timeout=0.1)
        return answers

    def ask_one(self, name: str, method: str, *arguments: Any) -> Any:
        """Call a method of one examiner; in a `dropping` block of that node.

        Raises:
            RayError: it is not there any more, or silent.
        """
        call = getattr(self._examiners[name], method).remote(*arguments)
        return ray.get(call, timeout=_ANSWERS_WITHIN_S)

    @contextmanager
    def dropping(self, name: str) -> Iterator[None]:
        """Drop a node that does not answer as it should."""
        try:
            yield
        except RayError as error:
            late = isinstance(error, GetTimeoutError)
            said = str(error).strip().splitlines() or [type(error).__name__]
            reason = f"no answer in {_ANSWERS_WITHIN_S:.0f} s" if late else said[-1]
            fix = (
                "is the repository installed there with its packages, and room on the disk of "
                "Ray's temporary files (df -h /tmp)? see Ray's logs of that node"
            )
            self.silent.append(failure("nodes", name, reason, fix))
            self._examiners.pop(name, None)

    def announced_gpus(self) -> dict[str, float]:
        """Name of a node -> GPUs that Ray may place work on."""
        return {name: node["Resources"].get("GPU", 0) for name, node in self._records.items()}

    def training(self, cluster: ClusterConfig) -> list[str]:
        """The nodes on which a run's workers may be placed, and have room."""
        chosen = [
            node["NodeID"]
            for node in training_nodes(cluster)
            if has_room(node["Resources"], cluster)
        ]
        return [name for name, node in self._records.items() if node["NodeID"] in chosen]

    def close(self) -> None:
        """End the examiners."""
        for one in self._examiners.values():
            ray.kill(one)


@contextmanager
def fleet() -> Iterator[Fleet]:
    """Examiners on every node of the connected cluster, ended with the block."""
    one = Fleet()
    try:
        yield one
    finally:
        one.close()


def _names(nodes: list[dict[str, Any]]) -> list[str]:
    addresses = [node["NodeManagerAddress"] for node in nodes]
    return [
        address
        if addresses.count(address) == 1
        else f"{address}#{addresses[:place].count(address)}"
        for place, address in enumerate(addresses)
    ]
