"""A rack of hosts with the cluster of `cluster/onprem.yaml` up on them, and trainings on it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from advent_dist.config.override import to_json
from advent_dist.runs.checkpoints import checkpoint_name, files_of, steps_of
from cluster.testbed.hosts import LAUNCHER, Bed, switched_on
from shards.local_s3 import local_s3
from tests.cluster.impatient import EXPORTS
from tests.driver import Driver, Rows
from tests.helpers import tiny_run, write_tiny_shards
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
BUCKET = "s3://bucket"
HOSTS = 4
_VENV = f"export ADVENT_DIST_VENV={sys.prefix}"
_STEP_S = 600.0
"""Longer than any single thing takes that is waited for."""


@dataclass(frozen=True, kw_only=True)
class Rack:
    """A head, which trains nothing, and three workers."""

    bed: Bed
    """The hosts."""

    file: Path
    """The cluster file."""

    @property
    def head(self) -> str:
        """Address of the head."""
        return self.bed.first

    def power_off(self, number: int) -> None:
        """End a host with all that it runs."""
        self.bed.power_off(self.bed.address(number))

    def up(self) -> None:
        """Bring the cluster up, or its head again."""
        ray("up", "-y", "--no-config-cache", str(self.file))
        self.wait_for_nodes()

    def runs_ray(self, address: str) -> bool:
        """Whether a host, which answers, has a node of a Ray cluster on it."""
        said = self.bed.run(address, "ps ax")
        assert "sshd" in said, said
        return "raylet" in said

    def wait_for_nodes(self) -> None:
        """Until all hosts have joined: `ray up` returns before, and takes lost ones back later."""
        count = (
            "import ray; ray.init(log_to_driver=False); "
            "print('alive:', sum(node['Alive'] for node in ray.nodes()))"
        )
        command = f'python -c "{count}"'
        wait_until(
            lambda: f"alive: {HOSTS}" in self.login(self.head, command),
            within_s=_STEP_S,
            said=lambda: self.login(self.head, "ray status"),
        )

    def login(self, address: str, command: str) -> str:
        """What a command prints in a login shell of a host, with the cluster's environment."""
        return self.bed.run(address, f"bash -lc {shlex.quote(command)}")


def ray(*arguments: str) -> str:
    """Run the `ray` command from the repository; what it prints."""
    done = subprocess.run(
        [Path(sys.executable).with_name("ray"), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def rack(folder: Path) -> Iterator[Rack]:
    """Switch on the hosts and an S3 server, and bring the cluster up; all is gone afterwards."""
    with switched_on(folder, HOSTS) as bed, _bucket(bed):
        file = bed.folder / "onprem.yaml"
        file.write_text(_cluster_file(bed))
        up = Rack(bed=bed, file=file)
        up.up()
        try:
            yield up
        finally:
            assert up.runs_ray(up.head)
            ray("down", "-y", str(file))
            assert not up.runs_ray(up.head)
            # It ends Ray on the head; the workers' ends when it has not been heard of for a while.
            wait_until(
                lambda: not any(up.runs_ray(address) for address in bed.hosts),
                within_s=120,
                said=lambda: [bed.run(address, "ps ax") for address in bed.hosts],
            )


@contextmanager
def _bucket(bed: Bed) -> Iterator[None]:
    """A bucket with tiny shards, on a server that all hosts reach; its keys go to the hosts."""
    folder = bed.folder / "s3"
    (folder / "bucket").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, local_s3(folder, LAUNCHER) as environment:
        lines = []
        for name, value in environment.items():
            patch.setenv(name, value)
            lines.append(f"export {name}={shlex.quote(value)}\n")
        (bed.shared / "environment.sh").write_text("".join([*lines, EXPORTS]))
        write_tiny_shards(f"{BUCKET}/shards")
        yield


def _cluster_file(bed: Bed) -> str:
    """The cluster file of the repository with these hosts filled in."""
    head, *workers = bed.hosts
    run = tiny_run(f"{BUCKET}/shards", f"{BUCKET}/runs", cluster__placement="STRICT_SPREAD")
    (bed.shared / "config.json").write_text(to_json(run))
    token = bed.folder / "auth_token"
    token.write_text(secrets.token_hex(32))
    text = (REPOSITORY / "cluster" / "onprem.yaml").read_text()
    for old, new in (
        ("CHANGE-ME-head", head),
        ("CHANGE-ME-workers", f"[{', '.join(workers)}]"),
        ("CHANGE-ME-user", "root"),
        ("~/.ssh/id_ed25519", str(bed.key)),
        ("token: ~/.ray/auth_token", f"token: {token}"),
        ("/CHANGE-ME-shared", BUCKET),
        ("=streets_advent", "=/shared/config.json"),
        (
            "  - bash ~/advent_dist",
            "  - cat /shared/environment.sh >> ~/.advent_dist\n"
            f"  - echo '{_VENV}' >> ~/.advent_dist\n"
            "  - bash ~/advent_dist",
        ),
        ("ray start ", "ray start --object-store-memory=100000000 "),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


class Training(Driver):
    """`advent-dist train` on the head of a rack, over ssh."""

    def __init__(self, rack: Rack, name: str, **changes: Any) -> None:
        self.rack = rack
        usual = {
            # A host has room for one worker.
            "cluster__cpus_per_worker": 2,
            "run__evaluate_every": 1000,
            "run__checkpoint_every": 10,
        }
        run = tiny_run(f"{BUCKET}/shards", f"{BUCKET}/runs", run__name=name, **{**usual, **changes})
        config = rack.bed.shared / f"{name}.json"
        config.write_text(to_json(run))
        super().__init__(run, rack.bed.folder / f"{name}.log", patience_s=_STEP_S)
        self.go_on(f"advent-dist train --config /shared/{name}.json")

    def go_on(self, command: str) -> None:
        """Start the driver, on the head."""
        self.start(self.rack.bed.ssh(self.rack.head, f"bash -lc {shlex.quote(command)}"))

    def interrupt(self) -> Rows:
        """End the driver as Ctrl-C does; all rows.

        Its workers, on whichever hosts, save a checkpoint first, and end with it.
        """
        self.rack.login(self.rack.head, "pkill -INT -f '[a]dvent-dist train'")
        assert self.ends() == 130, self.said
        assert "go on with: " in self.said
        rows = self.rows()
        checkpoints = self.folder.folder.inside("checkpoints")
        saved = steps_of(checkpoints)[0]
        assert files_of(checkpoints.inside(checkpoint_name(saved)))
        assert saved == rows[-1]["step"], "nothing that was reported is lost"
        wait_until(lambda: not self._hosts_of_ranks(), within_s=_STEP_S)
        return rows

    def host_of_a_rank(self) -> int:
        """Number of a host on which a worker of the run is."""
        found = self._hosts_of_ranks()
        assert found, "no host runs a worker"
        return found[0]

    def _hosts_of_ranks(self) -> list[int]:
        bed = self.rack.bed
        return [
            bed.number(address)
            for address in bed.hosts
            if "ray::RayTrainWorker" in bed.run(address, "ps axww -o args")
        ]


def findings(said: str) -> dict[str, Any]:
    """The doctor's answer, out of what a shell printed around it."""
    answer: dict[str, Any] = json.loads(said[said.index('{\n  "ok"') : said.rindex("}") + 1])
    return answer
