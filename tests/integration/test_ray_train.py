"""Whole runs on Ray Train with DeepSpeed, from s3:// shards into an s3:// run folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from advent_dist import cli
from advent_dist.config import Call, Experiment
from advent_dist.config.override import override
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.data.store import open_folder
from advent_dist.errors import ConfigError
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.scoring import score
from advent_dist.runs.status import find_runs
from cluster.board import BoardObserver
from cluster.launch import fit, launch
from tests.fault_proxy import Proxy, broken, every_tenth
from tests.helpers import tiny_run

pytestmark = pytest.mark.usefixtures("ray_session")


def test_what_is_refused_overwrites_nothing(begun: Experiment) -> None:
    run = RunFolder.of(begun)
    rows, summary = run.rows(), run.summary()
    again = override(begun, {"cluster.cpus_per_worker": 99})
    with pytest.raises(ConfigError, match=r"cluster.workers = 2: the cluster never has room"):
        launch(again, Call(overwrite=True))
    assert (run.rows(), run.summary()) == (rows, summary)


class Asking(BoardObserver):
    """Writes down, in the process of a rank, which algorithms it takes."""

    def __init__(self, file: Path) -> None:
        super().__init__(board=None)
        self._file = file

    def sees(self, row: dict[str, Any]) -> None:
        only = torch.are_deterministic_algorithms_enabled()
        found = [only, os.environ.get("CUBLAS_WORKSPACE_CONFIG")]
        self._file.write_text(json.dumps(found))

    def steps(self) -> None:
        """There is no board to tell."""

    def is_to_end(self) -> bool:
        return False


def test_deterministic_algorithms_reach_the_workers(shards: str, tmp_path: Path) -> None:
    changes = {"run__steps": 1, "cluster__workers": 1, "engine__deterministic": True}
    run = tiny_run(shards, str(tmp_path), run__name="deterministic", **changes)
    RunFolder.of(run).start(run, Call())
    assert fit(run, CAMVID_11, Asking(tmp_path / "found")).step == 1
    assert json.loads((tmp_path / "found").read_text()) == [True, ":4096:8"]


def test_run_and_resume(
    begun: Experiment, shards: str, bucket: str, tmp_path: Path, s3_proxy: Proxy
) -> None:
    storage, cache = f"{bucket}/runs", str(tmp_path / "cache")
    through = launch(tiny_run(shards, storage, run__name="through", data__cache_dir=cache))
    assert through.step == 4

    # The rest by the command line, from the config that the run left behind; and by a storage that
    # is not what it was.
    config = f"{storage}/begonnen_für_später/config.json"
    faults = every_tenth()
    with broken(s3_proxy, faults):
        assert cli.run(["train", "--config", config, "--resume", "--run.steps", "4"]) == 0
    assert {"GET", "LIST", "PUT"} <= faults.broken.keys()

    runs = [RunFolder.open(f"{storage}/{name}") for name in ("through", "begonnen_für_später")]
    for run in runs:
        assert [row["step"] for row in run.rows()] == [1, 2, 3, 4]
        assert {"target_miou", "loss/seg", "lr/segmenter"} <= set(run.rows()[-1])
        assert {"read_mb_per_s", "read_retries", "skipped_samples"} <= set(run.rows()[-1])
        assert run.summary()["finished"]
        checkpoints = run.folder.inside("checkpoints")
        assert (checkpoints.list(), checkpoints.folders()) == ([], ["step_000002", "step_000004"])
        assert set(run.summary()["checkpoints"]) == {"last", "best"}
        assert any("tfevents" in name for name in open_folder(f"{run.url}/tensorboard").list())
    cached = {"cache_hit_fraction", "cache_errors", "evaluation_skipped_samples"}
    assert cached <= set(runs[0].rows()[-1])
    for status in find_runs(storage, stale_after_s=1800):
        assert (status.state, status.step, status.checkpoint_step) == ("finished", 4, 4)
        assert status.best_accuracy == pytest.approx(runs[0].summary()["best"]["target"]["miou"])
    last = [run.weights("last") for run in runs]
    assert last[0].keys() == last[1].keys()
    assert all(torch.equal(value, last[1][key]) for key, value in last[0].items())
    assert "report.html" in runs[1].folder.list()

    # Ended after its last checkpoint and before the summary, it is completed.
    summary = runs[1].summary()
    runs[1].folder.write("summary.json", json.dumps({**summary, "finished": False}).encode())
    assert cli.run(["train", "--config", config, "--resume"]) == 0
    assert runs[1].summary() == summary

    urls = [run.url for run in runs]
    alone = score(urls[:1], "last").to_json()["miou"]
    assert alone == pytest.approx(runs[0].summary()["last"]["target"]["miou"], abs=1e-3)
    assert score(urls, "last").to_json()["miou"] == pytest.approx(alone)

    logs = Path(ray._private.worker._global_node.get_logs_dir_path())
    written = "".join(file.read_text() for file in logs.glob("worker-*.err"))
    for rank in (0, 1):
        assert f"[runs/through rank {rank}/2] INFO" in written, "lines name run and rank"
