"""What several hosts have to share before a run starts: its storage and its shards."""

from __future__ import annotations

import ray

from advent_dist.config import Experiment
from advent_dist.errors import ConfigError
from cluster.autoscaled import autoscaled, may_grow
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
        if autoscaled() or may_grow():
            _require_bucket(experiment)
        return
    with fleet() as nodes:
        findings = look_from_everywhere(nodes, experiment) + nodes.silent
    failures = [one for one in findings if one.level == "failure"]
    if failures:
        first, more = failures[0], len(failures) - 1
        others = f" (and {more} more: advent-dist doctor --cluster)" if more else ""
        raise ConfigError(f"{first.check} on {first.where}: {first.said}; {first.fix}{others}")


def _require_bucket(experiment: Experiment) -> None:
    """Refuse folders where the nodes that will train are not there yet to try them."""
    for field, url in (
        ("run.storage", experiment.run.storage),
        ("data.root", experiment.data.root),
    ):
        if "://" not in url:
            raise ConfigError(
                f"{field} = {url}: only the head is up, and whether its workers will see this "
                "folder can't be tried; give an s3:// URL, or keep a worker up (min_workers of the "
                "cluster file)"
            )
