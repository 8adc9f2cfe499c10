"""What several hosts have to share before a run starts: its storage and its shards."""

from __future__ import annotations

import ray

from advent_dist.config import Experiment
from advent_dist.errors import ConfigError
from cluster.doctor.examination import look_from_everywhere
from cluster.doctor.fleet import fleet


def check_shared(experiment: Experiment) -> None:
    """Refuse storage that is one host's own, and shards that another can't read.

    A cluster of one node has nothing to share. It takes some seconds on others: every node tries.

    Raises:
        ConfigError: a node does not answer, or can't reach what the run needs.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if len(alive) < 2:
        return
    with fleet() as nodes:
        findings = look_from_everywhere(nodes, experiment) + nodes.silent
    failures = [one for one in findings if one.level == "failure"]
    if failures:
        first, more = failures[0], len(failures) - 1
        others = f" (and {more} more: advent-dist doctor --cluster)" if more else ""
        raise ConfigError(f"{first.check} on {first.where}: {first.said}; {first.fix}{others}")
