"""`advent-dist doctor [EXPERIMENT] [--cluster] [--json] [--a.b value ...]`: a preflight.

It looks at this machine, or with `--cluster` at every node, and says what to mend.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from rich.console import Console

from advent_dist.commands.train import parse
from advent_dist.config import ClusterConfig, Experiment
from advent_dist.errors import ConfigError
from advent_dist.experiments.environment import EXPERIMENT, named_experiment
from cluster.doctor.finding import Finding, passes
from cluster.doctor.table import WIDTH, count, draw

_USAGE = f"""\
usage: advent-dist doctor [EXPERIMENT | --config RUN/config.json] [--cluster] [--json]
                          [--a.b value ...]
       advent-dist doctor --cluster-file FILE [--json]

Looks for what would stop or slow a run, before it starts: each line is ok, a warning or a failure
with its fix. Exit status 1 if there is a failure.

  EXPERIMENT     a name of advent-dist train --list or NAME.py[:FUNCTION], changed by --a.b value as
                 there; none takes the one that ${EXPERIMENT} names, or examines the machines alone
  --cluster      examine every node of the Ray cluster at --cluster.address, $RAY_ADDRESS or auto
  --cluster-file examine a file of ray up or of KubeRay before it is used
  --json         print JSON instead of a table
"""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(_USAGE)
        return 0
    findings = _examine([one for one in arguments if one != "--json"])
    return _tell(findings, as_json="--json" in arguments)


def _examine(arguments: list[str]) -> list[Finding]:
    if "--cluster-file" in arguments:
        from cluster.doctor.cluster_file import judge_cluster_file

        _, *path = arguments
        if arguments[0] != "--cluster-file" or len(path) != 1:
            raise ConfigError("--cluster-file: give one file, and no experiment beside it")
        return judge_cluster_file(path[0])
    rest = [one for one in arguments if one != "--cluster"]
    experiment = named_experiment()
    if rest:
        experiment, _ = parse(rest, default=experiment)
    if "--cluster" in arguments:
        return _examine_cluster(experiment)
    from cluster.doctor.examination import examine_here

    return examine_here(experiment)


def _examine_cluster(experiment: Experiment | None) -> list[Finding]:
    from cluster.connection import ray_cluster
    from cluster.doctor.examination import examine_cluster
    from cluster.joining import wait_for_workers

    asked = experiment.cluster.address if experiment else None
    address = asked or os.environ.get("RAY_ADDRESS") or "auto"
    with ray_cluster(ClusterConfig(address=address)):
        wait_for_workers()
        return examine_cluster(experiment)


def _tell(findings: list[Finding], *, as_json: bool) -> int:
    """Print; the exit status."""
    if as_json:
        answer = {"ok": passes(findings), "findings": [asdict(one) for one in findings]}
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        console = Console(width=min(Console().width, WIDTH))
        console.print(draw(findings))
        console.print(count(findings), highlight=False)
    return 0 if passes(findings) else 1
