"""Whole sweeps on Ray Tune: tiny trials, real processes, a real S3 server."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest
import ray
from ray.util.placement_group import placement_group_table

from advent_dist.config.override import to_json
from advent_dist.data.store import open_folder
from advent_dist.errors import ConfigError, UserError
from advent_dist.runs.folder import RunFolder
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import examples, write_shards
from tests.waiting import wait_until
from tune.finals import winner
from tune.folder import FINAL_FILE, SWEEP_FILE, SweepFolder
from tune.options import Options
from tune.plan import make_plan
from tune.record import SweepRecord
from tune.sweep import run_sweep

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def shards(bucket: str) -> str:
    write_tiny_shards(f"{bucket}/sweep_shards")
    write_shards(f"{bucket}/sweep_shards/held_out", examples(7, size=(64, 64), prefix="h"))
    return f"{bucket}/sweep_shards"


def _options(shards: str, tmp_path: Path, storage: str | None = None, **changes: Any) -> Options:
    """A sweep of seconds: every trial may train 8 steps, evaluated every 2."""
    experiment = tiny_run(
        shards,
        "unused",
        data__held_out="held_out",
        data__cache_dir=str(tmp_path / "cache"),
        cluster__workers=1,
        run__evaluate_every=2,
    )
    path = tmp_path / "experiment.json"
    path.write_text(to_json(experiment))
    given: dict[str, Any] = {
        "experiment": str(path),
        "storage": storage or str(tmp_path),
        "name": "sweep",
        "num_trials": 4,
        "max_steps": 8,
        "grace_steps": 2,
        "reduction_factor": 2,
        "seeds_for_best": 0,
        # A tiny network on noise collapses all the time.
        "collapse_share": 0.0,
    }
    return Options(**{**given, **changes})


def _run(options: Options) -> SweepRecord:
    record = run_sweep(make_plan(options), "python tune/search.py --resume")
    _nothing_is_held()
    return record


def _nothing_is_held() -> None:
    """No placement group, no actor, all CPUs free: what a stopped trial must leave behind."""
    groups = placement_group_table().values()  # type: ignore[no-untyped-call]
    assert [one for one in groups if one["state"] != "REMOVED"] == []
    wait_until(lambda: not _held(), within_s=20, said=_held)


def _held() -> list[str]:
    """CPUs in use, and processes of ranks that are still there."""
    there, free = ray.cluster_resources(), ray.available_resources()  # type: ignore[no-untyped-call]
    cpus = [f"{free.get('CPU', 0)} of {there['CPU']} CPUs are free"]
    family = psutil.Process().children(recursive=True)
    ranks = [" ".join(one.cmdline()) for one in family if _is_rank(one)]
    return ranks + (cpus if free.get("CPU", 0) < there["CPU"] else [])


def _is_rank(process: psutil.Process) -> bool:
    try:
        first = process.cmdline()[:1]
    except psutil.Error:
        return False
    return bool(first) and any(word in first[0] for word in (" rank ", "ray::Rank", "RayTrain"))


def test_a_sweep_from_s3_to_s3(shards: str, bucket: str, tmp_path: Path) -> None:
    options = _options(shards, tmp_path, storage=f"{bucket}/sweeps", seeds_for_best=1)
    record = _run(options)
    folder = record.folder
    trials = folder.trials()
    assert len(trials) == 4
    assert trials[0].published
    assert {trial.state for trial in trials} <= {"finished", "stopped"}
    stopped = [trial for trial in trials if trial.state == "stopped"]
    assert stopped, "one of four reaches the first rung below the median"
    for trial in trials:
        run = RunFolder.open(f"{folder.url}/{trial.path}")
        assert [row["step"] for row in run.rows()] == list(range(1, trial.steps + 1))
        assert run.rows()[-1]["score"] == trial.score
        assert any("tfevents" in name for name in open_folder(f"{run.url}/tensorboard").list())
    for trial in stopped:
        assert trial.steps == trial.stopped_at_rung
        assert trial.reason is not None
    # Only the first trial of a process pays for its imports.
    concurrent = int(ray.cluster_resources()["CPU"])  # type: ignore[no-untyped-call]
    later = [trial.start_seconds for trial in trials[concurrent:]]
    assert all(seconds is not None and seconds < 5 for seconds in later)

    tree = folder.read(SWEEP_FILE)
    assert tree is not None
    assert tree["status"] == "finished"
    assert tree["rungs"] == [2, 4]
    best = next(trial for trial in trials if trial.id == tree["best"])
    finals = folder.open("final").folders()
    # Where the published point has won, it is trained once.
    published = set() if best.published else {"published_seed1234"}
    assert set(finals) == {"best_seed1234", "source_only_seed1234"} | published
    for name in finals:
        final = folder.read(FINAL_FILE, f"final/{name}")
        assert final is not None
        assert final["state"] == "finished"
        assert final["last"]["miou"] >= 0


def test_a_diverging_trial_fails_alone(shards: str, tmp_path: Path) -> None:
    options = _options(
        shards,
        tmp_path,
        search="grid",
        grid_points=2,
        scheduler="none",
        max_steps=4,
        space=("optimizer.segmenter_lr=choice:1e30:1e-4",),
        set=("optimizer.segmenter=sgd",),
    )
    trials = _run(options).folder.trials()
    states = {trial.values["optimizer.segmenter_lr"]: trial for trial in trials}
    assert len(trials) == 3
    assert states[1e-4].state == states[1e-3].state == "finished"
    assert states[1e30].state == "failed"
    assert "loss/" in str(states[1e30].reason)


def test_ray_train_in_processes_of_their_own(shards: str, tmp_path: Path) -> None:
    """The way of trials on GPUs: stopped ones must give their workers' resources back."""
    options = _options(shards, tmp_path, fresh_processes=True, num_trials=3, max_steps=4)
    trials = _run(options).folder.trials()
    assert len(trials) == 3
    assert {trial.state for trial in trials} <= {"finished", "stopped"}
    assert json.loads((tmp_path / "sweep" / SWEEP_FILE).read_text())["warm_processes"] is False


def test_a_killed_rank_is_replaced(shards: str, tmp_path: Path) -> None:
    options = _options(
        shards,
        tmp_path,
        num_trials=1,
        max_steps=60,
        scheduler="none",
        evaluate_every=10,
        set=("run.checkpoint_every=10",),
        max_failures=1,
    )
    trial = SweepFolder(f"{tmp_path}/sweep")
    killed: list[int] = []

    def kill_one() -> None:
        wait_until(lambda: (record := trial.trial(0)) and 0 < record.steps < 60, within_s=60)
        # Only descendants of this process: another job's have the same name.
        family = psutil.Process().children(recursive=True)
        rank = next(one for one in family if one.cmdline()[:1][0].endswith("rank 0"))
        killed.append(rank.pid)
        rank.send_signal(signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    folder = _run(options).folder
    thread.join()
    record = folder.trials()[0]
    assert killed
    assert record.state == "finished"
    rows = RunFolder.open(f"{folder.url}/{record.path}").rows()
    assert [row["step"] for row in rows] == list(range(1, 61))


def test_checkpoints_of_hopeless_trials_are_deleted(shards: str, tmp_path: Path) -> None:
    options = _options(shards, tmp_path, scheduler="none", max_steps=2, keep_checkpoints=1)
    folder = _run(options).folder
    best = winner(folder.trials(), make_plan(options).metric)
    assert best is not None
    kept = {path.parts[-3] for path in (tmp_path / "sweep").glob("trials/*/checkpoints/step_*")}
    assert kept == {best.id}
    # And they stay so when it is gone on with, whose later trials start in warm processes too.
    changes = {"scheduler": "none", "max_steps": 2, "keep_checkpoints": 1}
    concurrent = int(ray.cluster_resources()["CPU"])  # type: ignore[no-untyped-call]
    more = _options(shards, tmp_path, resume=True, num_trials=8 + concurrent, **changes)
    later = _run(more).folder.trials()[4 + concurrent :]
    assert all(one.start_seconds is not None and one.start_seconds < 5 for one in later)


def test_a_time_budget_ends_what_runs_and_begins_nothing_more(shards: str, tmp_path: Path) -> None:
    options = _options(
        shards,
        tmp_path,
        scheduler="none",
        max_steps=2000,
        set=("optimizer.horizon=2000",),
        max_concurrent=1,
        time_budget="15s",
    )
    record = _run(options)
    trials = record.folder.trials()
    assert 1 <= len(trials) < 4
    assert trials[-1].state == "stopped"
    assert 0 < trials[-1].steps < 2000
    assert trials[-1].reason == "the time budget of 15s was used up"
    tree = record.folder.read(SWEEP_FILE)
    assert tree is not None
    assert (tree["status"], tree["best"]) == ("finished", trials[-1].id)


def test_trials_are_runs_of_mlflow(shards: str, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    options = _options(
        shards, tmp_path, num_trials=2, mlflow=uri, max_steps=4, scheduler="none", name="läufe"
    )
    trials = _run(options).folder.trials()
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("läufe")
    runs = client.search_runs([experiment.experiment_id])
    found = {run.info.run_name: run for run in runs}
    assert set(found) == {trial.name for trial in trials}
    for trial in trials:
        run = found[trial.name]
        assert run.info.status == "FINISHED"
        for path, value in trial.values.items():
            assert float(run.data.params[f"values/{path}"]) == value
        history = client.get_metric_history(run.info.run_id, "target_miou")
        assert [metric.step for metric in history] == [2, 4]
        assert run.data.metrics["score"] == pytest.approx(trial.score)


def test_one_sweep_a_folder(shards: str, tmp_path: Path) -> None:
    short = {"num_trials": 1, "max_steps": 2, "scheduler": "none"}
    with pytest.raises(ConfigError, match="there is no sweep at"):
        run_sweep(make_plan(_options(shards, tmp_path, resume=True, **short)), "")
    _run(_options(shards, tmp_path, **short))
    with pytest.raises(ConfigError, match="holds a sweep already; go on with --resume"):
        run_sweep(make_plan(_options(shards, tmp_path, **short)), "")
    other = _options(shards, tmp_path, resume=True, **{**short, "max_steps": 4})
    with pytest.raises(ConfigError, match=r"has experiment.run.steps = 2, not 4"):
        run_sweep(make_plan(other), "")
    with pytest.raises(ConfigError, match=r"the cluster never has room"):
        run_sweep(
            make_plan(_options(shards, tmp_path, overwrite=True, cpus_per_trial=99, **short)), ""
        )
    # More trials are no other sweep, and what was refused has overwritten nothing.
    more = _run(_options(shards, tmp_path, resume=True, **{**short, "num_trials": 2}))
    assert [trial.state for trial in more.folder.trials()] == ["finished", "finished"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workers_per_trial": 8}, "cluster.workers = 8"),
        ({"gpus_per_trial": 1}, "room for more than 0 workers of 1 CPU and 1 GPU"),
        ({"max_concurrent": 64}, "--max-concurrent 64: the cluster holds"),
        ({"storage": "/proc/nowhere"}, "/proc/nowhere"),
        ({"storage": "s3://no-such-bucket/runs"}, "no bucket 'no-such-bucket'"),
        ({"data": "s3://no-such-bucket/shards"}, "no bucket 'no-such-bucket'"),
        ({"set": ("data.held_out=nowhere",), "seeds_for_best": 1}, "nowhere.*there is no such"),
    ],
)
def test_refused_before_any_trial_starts(
    changes: dict[str, Any], message: str, shards: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        run_sweep(make_plan(_options(shards, tmp_path, **changes)), "")
    assert not (tmp_path / "sweep" / "trials").exists()
