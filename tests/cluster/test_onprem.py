"""The main command and its runs on real hosts, healthy and with something going wrong.

`make test-cluster` runs it; it needs root, for hosts in namespaces.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from advent_dist.data.store import open_folder
from cluster.testbed.hosts import LAUNCHER
from tests.cluster.rack import BUCKET, HOSTS, Rack, Training, findings, rack, ray
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    "ADVENT_DIST_TESTBED" not in os.environ, reason="hosts in namespaces: make test-cluster"
)

STEPS = 40


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with rack(tmp_path_factory.mktemp("bed")) as up:
        yield up


def test_the_doctor_finds_every_host_healthy(hosts: Rack) -> None:
    answer = findings(ray("exec", str(hosts.file), "advent-dist doctor --cluster --json"))
    storage = [one for one in answer["findings"] if one["check"] == "storage"]
    assert answer["ok"], answer
    assert len(storage) == 1 + HOSTS


def test_the_main_command(hosts: Rack) -> None:
    """A sweep of two trials, each with two workers on two different hosts."""
    flags = ["--num-trials", "2", "--scheduler", "none", "--seeds-for-best", "0"]
    ray("submit", str(hosts.file), "tune/search.py", "--", *flags, "--name", "'two words'")
    sweep = open_folder(f"{BUCKET}/runs/two words")
    assert "report.html" in sweep.list()
    trials = [open_folder(f"{sweep.url}/trials/{number:05d}") for number in range(2)]
    for trial in trials:
        assert json.loads(trial.read("summary.json"))["finished"]
    # Fetched back, it is a page of its own.
    assert sweep.read("report.html").lower().startswith(b"<!doctype html")


_FILE = """
from pathlib import Path

from advent_dist.config import Experiment
from advent_dist.config.override import from_json


def houses() -> Experiment:
    return from_json(Path("/shared/config.json").read_text())
"""
_SHORT = "--num-trials 1 --max-steps 2 --scheduler none --seeds-for-best 0"


def test_an_experiment_in_a_file(hosts: Rack, tmp_path: Path) -> None:
    """It goes to the head, since `ray submit` brings the script alone; workers never see it."""
    file = tmp_path / "houses.py"
    file.write_text(_FILE)
    ray("rsync-up", str(hosts.file), str(file), "~/houses.py")
    flags = ["--experiment", "houses.py", *_SHORT.split(), "--name", "of_a_file"]
    ray("submit", str(hosts.file), "tune/search.py", "--", *flags)
    assert "report.html" in open_folder(f"{BUCKET}/runs/of_a_file").list()


def test_the_jobs_api(hosts: Rack) -> None:
    """The script and what else a folder has, from a host that reaches the dashboard."""
    file = f"printf %s {shlex.quote(_FILE)} > houses.py"
    flags = f"--experiment houses.py {_SHORT} --name 'by job'"
    said = hosts.login(
        hosts.head,
        f"cd ~/advent_dist && {file} && "
        "ray job submit --address http://127.0.0.1:8265 --working-dir . "
        f"-- python tune/search.py {flags} 2>&1",
    )
    assert "succeeded" in said, said
    assert "report.html" in open_folder(f"{BUCKET}/runs/by job").list()


def test_without_its_token_nobody_joins_the_cluster(hosts: Rack) -> None:
    join = "python -c \"import ray; ray.init(address='auto'); print('joined')\" 2>&1 || true"
    assert "joined" in hosts.login(hosts.head, join)
    for without in ("RAY_AUTH_TOKEN=another", "RAY_AUTH_MODE=disabled"):
        said = hosts.login(hosts.head, f"{without} {join}")
        assert "joined" not in said
        assert "Failed to connect to Ray cluster" in said


def test_storage_of_one_host_only_is_refused(hosts: Rack) -> None:
    """Before anything starts, with the host that does not see it."""
    command = "advent-dist train --config /shared/config.json --run.storage /tmp/mine"
    said = hosts.login(hosts.head, f"{command} 2>&1")
    assert "storage on 10.77.0." in said, said
    assert "a folder that all nodes share" in said
    said = hosts.login(
        hosts.head, "python -m tune.search --storage /tmp/mine --seeds-for-best 0 2>&1"
    )
    assert "storage on 10.77.0." in said, said


def same(loss: float) -> Any:
    """The same but for the last bits, which two undisturbed runs do not share either."""
    return pytest.approx(loss, rel=1e-4)


@pytest.fixture(scope="module")
def undisturbed(hosts: Rack) -> float:
    """The last loss of a run that nothing happens to."""
    run = Training(hosts, "undisturbed", run__steps=STEPS)
    return float(run.finish(STEPS)[-1]["loss/seg"])


def test_a_host_loses_power(hosts: Rack, undisturbed: float) -> None:
    """The run goes on on the spare host from its latest checkpoint, to the same loss."""
    run = Training(hosts, "power", run__steps=STEPS, cluster__max_failures=3)
    run.wait_for(lambda rows: rows[-1]["step"] > 12)
    number = run.host_of_a_rank()
    hosts.power_off(number)
    assert run.rows()[-1]["step"] < STEPS
    try:
        assert run.finish(STEPS)[-1]["loss/seg"] == same(undisturbed)
    finally:
        hosts.bed.switch_on(number)


def test_a_host_loses_its_network(hosts: Rack, undisturbed: float) -> None:
    """It is on, but nobody hears of it any more; when it is back, it joins again by itself."""
    run = Training(hosts, "unplugged", run__steps=STEPS, cluster__max_failures=3)
    run.wait_for(lambda rows: rows[-1]["step"] > 12)
    number = run.host_of_a_rank()
    hosts.bed.unplug(number)
    assert run.rows()[-1]["step"] < STEPS
    try:
        assert run.finish(STEPS)[-1]["loss/seg"] == same(undisturbed)
    finally:
        hosts.bed.unplug(number, again=True)


def test_an_elastic_run_loses_a_host_and_gets_another(hosts: Rack) -> None:
    run = Training(
        hosts,
        "elastic",
        # Far more than it takes until the host is back.
        run__steps=1000,
        run__checkpoint_every=1,
        run__global_batch_size=6,
        data__batch_size_per_rank=1,
        cluster__workers=3,
        cluster__min_workers=2,
        cluster__placement="SPREAD",
        cluster__grow_every_s=5.0,
        cluster__max_failures=3,
    )
    run.wait_for(lambda rows: rows[-1]["step"] > 12 and rows[-1]["ranks"] == 3)
    number = run.host_of_a_rank()
    hosts.power_off(number)
    run.wait_for(lambda rows: rows[-1]["ranks"] == 2)
    hosts.bed.switch_on(number)
    run.wait_for(lambda rows: rows[-1]["ranks"] == 3)
    rows = run.interrupt()
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["ranks"] for row in rows} == {2, 3}
    assert {row["global_batch_size"] for row in rows} == {6}


class _Notice(BaseHTTPRequestHandler):
    """The metadata server of a spot instance that has 30 seconds left."""

    left_s = 30

    def do_PUT(self) -> None:
        self._answer("token")

    def do_GET(self) -> None:
        when = datetime.now(timezone.utc) + timedelta(seconds=self.left_s)
        self._answer(f'{{"action": "terminate", "time": "{when:%Y-%m-%dT%H:%M:%SZ}"}}')

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_spot_host_is_called_back(hosts: Rack) -> None:
    """A checkpoint is saved in time, and the run moves to the spare host: no failure is counted."""
    run = Training(hosts, "spot", run__steps=1000, run__checkpoint_every=1000)
    run.wait_for(lambda rows: rows[-1]["step"] > 12)
    number = run.host_of_a_rank()
    with ThreadingHTTPServer((LAUNCHER, 0), _Notice) as metadata:
        threading.Thread(target=metadata.serve_forever, daemon=True).start()
        watch = f"python -m cluster.spot --server http://{LAUNCHER}:{metadata.server_port} 2>&1"
        said = hosts.login(hosts.bed.address(number), watch)
        metadata.shutdown()
    assert "this machine goes in" in said, said
    gone_at = time.monotonic() + _Notice.left_s
    checkpoints = run.folder.folder.inside("checkpoints")
    run.wait_for(lambda _: bool(checkpoints.folders()))
    assert time.monotonic() < gone_at
    (name,) = checkpoints.folders()
    saved = int(name.removeprefix("step_"))
    time.sleep(max(0.0, gone_at - time.monotonic()))
    reached = run.rows()[-1]["step"]
    hosts.power_off(number)
    try:
        # It only gets there from the checkpoint, once more.
        run.wait_for(lambda rows: saved < rows[-1]["step"] < reached)
        rows = run.interrupt()
    finally:
        hosts.bed.switch_on(number)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))


def test_the_driver_is_killed_and_resumed_by_the_printed_command(
    hosts: Rack, undisturbed: float
) -> None:
    run = Training(hosts, "driver", run__steps=STEPS)
    run.wait_for(lambda rows: rows[-1]["step"] > 12)
    hosts.login(hosts.head, "pkill -KILL -f '[a]dvent-dist train'")
    run.ends()
    (command,) = re.findall(r"go on with: (.*)", run.said)
    run.go_on(command)
    assert run.finish(STEPS)[-1]["loss/seg"] == same(undisturbed)


def test_the_head_loses_power_and_the_run_goes_on_by_the_printed_command(
    hosts: Rack, undisturbed: float
) -> None:
    run = Training(hosts, "head", run__steps=STEPS)
    run.wait_for(lambda rows: rows[-1]["step"] > 12)
    hosts.bed.power_off(hosts.head)
    assert run.rows()[-1]["step"] < STEPS
    try:
        run.ends()
    finally:
        hosts.bed.switch_on(hosts.bed.number(hosts.head))
        hosts.up()
    (command,) = re.findall(r"go on with: (.*)", run.said)
    run.go_on(command)
    assert run.finish(STEPS)[-1]["loss/seg"] == same(undisturbed)


def test_the_doctor_names_what_is_wrong(hosts: Rack) -> None:
    """Storage that each host has for itself, and more workers than there will ever be room for."""
    hosts.wait_for_nodes()
    wrong = "--run.storage /tmp/mine --cluster.workers 9 --cluster.cpus-per-worker 1"
    command = f"advent-dist doctor --config /shared/config.json --cluster --json {wrong}"
    answer = findings(hosts.login(hosts.head, command))
    failures = [one for one in answer["findings"] if one["level"] == "failure"]
    assert not answer["ok"]
    alone = {one["where"] for one in failures if one["check"] == "storage"}
    assert alone == set(hosts.bed.hosts) - {hosts.head}, answer
    (resources,) = (one for one in failures if one["check"] == "resources")
    assert "never room for more than" in resources["said"]


_SLOW = """
import os, sys, time
if any("dashboard/agent.py" in word for word in sys.orig_argv) and os.path.exists("/tmp/slow"):
    os.rmdir("/tmp/slow")
    time.sleep(20)
"""
"""As Python's `sitecustomize`: the agent of the next raylet is late, the one after is not."""


def test_a_host_that_is_slow_to_start_is_started_again(hosts: Rack) -> None:
    """Ray's launcher finds it without Ray, and starts it, once."""
    slow = max(set(hosts.bed.hosts) - {hosts.head})
    customised = "~/advent_dist/sitecustomize.py"
    hosts.bed.run(slow, f"mkdir /tmp/slow; echo {shlex.quote(_SLOW)} > {customised}")
    hosts.login(slow, "ray stop")
    wait_until(lambda: "gone" in hosts.bed.run(slow, "[ -d /tmp/slow ] || echo gone"), within_s=120)
    hosts.wait_for_nodes()
    hosts.bed.run(slow, f"rm {customised}")


def test_the_doctor_names_the_hosts_that_are_unlike_the_others(hosts: Rack) -> None:
    """Other code and a full disk on one, a clock a day ahead, and one that misses the bucket."""
    other, ahead, cut_off = sorted(set(hosts.bed.hosts) - {hosts.head})
    hosts.bed.run(other, "echo >> ~/advent_dist/advent_dist/losses.py")
    # Not quite full, or the doctor's own process would not start there.
    used = "$(df --output=used --block-size=M /tmp | tail -1 | tr -dc 0-9)"
    hosts.bed.run(other, "head -c 200M /dev/zero > /tmp/full")
    hosts.bed.run(other, f"mount -o remount,size=$(({used} * 103 / 100))M /tmp")
    clock = "LD_PRELOAD=$(find /usr/lib -name libfaketimeMT.so.1) FAKETIME=+1d"
    node = f"ray start --address={hosts.head}:6379 2>&1"
    said = hosts.login(ahead, f"ray stop; export {clock}; {node}")
    assert "Ray runtime started" in said, said
    hosts.wait_for_nodes()
    command = "advent-dist doctor --config /shared/config.json --cluster --json"
    # The launcher has the S3 server.
    with hosts.bed.cut_off(cut_off):
        answer = findings(hosts.login(hosts.head, command))
    failures = {
        (one["check"], one["where"]) for one in answer["findings"] if one["level"] == "failure"
    }
    expected = {("versions", other), ("disk", other), ("clock", ahead), ("storage", cut_off)}
    assert failures >= expected, answer
    assert {where for _, where in failures} == {other, ahead, cut_off}, answer
