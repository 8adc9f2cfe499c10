"""Storage that is away for longer than its retries last, in the middle of a sweep."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from advent_dist.config.override import to_json
from advent_dist.runs.folder import RunFolder
from shards.local_s3 import local_s3
from tests.fault_proxy import Fault, Refusal, fault_proxy
from tests.helpers import tiny_run, write_tiny_shards
from tests.waiting import wait_until
from tune.folder import SweepFolder

_PATIENCE_S = 240
_STEPS = 60


def test_an_outage_leaves_a_trial_to_be_resumed(tmp_path: Path) -> None:
    """The shards' server refuses everything for a while; the sweep's own folder is on a disk."""
    (tmp_path / "s3" / "bucket").mkdir(parents=True)
    write_tiny_shards(str(tmp_path / "s3" / "bucket" / "shards"))
    experiment = tiny_run(
        "s3://bucket/shards", "unused", cluster__workers=1, data__attempts=1, data__timeout_s=5.0
    )
    (tmp_path / "experiment.json").write_text(to_json(experiment))
    command = [
        *(sys.executable, "-m", "tune.search", "--experiment", "experiment.json"),
        *("--storage", "runs", "--name", "sweep", "--num-trials", "1", "--scheduler", "none"),
        *("--max-steps", str(_STEPS), "--evaluate-every", "2", "--collapse-share", "0"),
        *("--seeds-for-best", "0", "--max-failures", "0"),
        # A cache that holds nothing, or there would be nothing to read.
        *("--set", f"data.cache_dir={tmp_path}/cache", "data.cache_gb=1e-6"),
    ]
    folder = SweepFolder(str(tmp_path / "runs" / "sweep"))
    said = tmp_path / "said.txt"
    with local_s3(tmp_path / "s3") as server, fault_proxy(server["AWS_ENDPOINT_URL"]) as proxy:
        # Without the address of a Ray that another test has running.
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        environment |= {**server, "AWS_ENDPOINT_URL": proxy.endpoint}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        with said.open("wb") as output:
            driver = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=output)
        wait_until(
            lambda: (trial := folder.trial(0)) and trial.steps >= 2,
            within_s=_PATIENCE_S,
            running=driver,
        )
        proxy.always = Refusal(503, "SlowDown")
        assert driver.wait(_PATIENCE_S) == 1, said.read_text()
        assert "1 of 1 trials were interrupted, the first one: s3://bucket" in said.read_text()
        trial = folder.trial(0)
        assert trial is not None
        assert trial.state == "interrupted"
        assert 0 < trial.steps < _STEPS

        proxy.always = Fault()
        subprocess.run([*command, "--resume"], cwd=tmp_path, env=environment, check=True)
    trial = folder.trial(0)
    assert trial is not None
    assert (trial.state, trial.reason) == ("finished", None)
    rows = RunFolder.open(f"{folder.url}/{trial.path}").rows()
    assert [row["step"] for row in rows] == list(range(1, _STEPS + 1))
