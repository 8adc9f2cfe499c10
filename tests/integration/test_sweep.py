"""Whole sweeps on Ray Tune: tiny trials, real processes, a real S3 server."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import mlflow
import pytest
import ray

from advent_dist.config.selection import DEFAULT
from advent_dist.data.store import open_folder
from advent_dist.errors import ConfigError, UserError
from advent_dist.runs.folder import FINAL_FILE, SWEEP_FILE, RunFolder
from tests.shard_helpers import examples, write_shards
from tests.small_sweeps import run_and_let_go, small_sweep
from tune.finals import winner
from tune.folder import SweepFolder, Trial
from tune.plan import make_plan
from tune.report import write_report
from tune.report.judgement import comparison_of
from tune.report.reading import read_sweep
from tune.sweep import run_sweep

pytestmark = pytest.mark.usefixtures("ray_session")


SHORT: dict[str, Any] = {"scheduler": "none", "max_steps": 4, "keep_checkpoints": 1}
"""Trials that are never stopped, and leave no checkpoint behind but the best one's."""


@pytest.fixture(scope="module")
def shards(shards: str) -> str:
    write_shards(f"{shards}/held_out", examples(7, size=(64, 64), prefix="h"))
    return shards


@pytest.fixture(scope="module")
def swept(ray_session: None, shards: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep of four trials in it, of which MLflow has been told."""
    folder = tmp_path_factory.mktemp("swept")
    run_and_let_go(small_sweep(shards, folder, mlflow=_mlflow(folder), **SHORT))
    return folder


def _mlflow(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def _assert_warm(trials: list[Trial]) -> None:
    """Only the first trial of each process paid for its imports."""
    concurrent = int(ray.cluster_resources()["CPU"])  # type: ignore[no-untyped-call]
    seconds = [trial.start_seconds or math.inf for trial in trials]
    assert max(seconds[concurrent:]) < 0.5 * min(seconds[:concurrent])


def test_a_sweep_from_s3_to_s3(shards: str, bucket: str, tmp_path: Path) -> None:
    options = small_sweep(shards, tmp_path, storage=f"{bucket}/sweeps", seeds_for_best=1)
    record = run_and_let_go(options)
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
    _assert_warm(trials)

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
        assert len(final["images"]["keys"]) == 7
    found = comparison_of(read_sweep(folder.url))
    assert found is not None
    for which, miou in (("best", found.miou.ours), ("source_only", found.miou.theirs)):
        final = folder.read(FINAL_FILE, f"final/{which}_seed1234")
        assert final is not None
        assert final["last"]["miou"] == pytest.approx(miou)


def test_a_sweep_of_a_target_without_labels(shards: str, tmp_path: Path) -> None:
    """ASHA, the retraining and the report go by a criterion, and nothing has a mIoU."""
    without = ("data.evaluation=none", "data.held_out=none", "data.evaluation_images=4")
    changes = {"num_trials": 3, "max_steps": 4, "seeds_for_best": 1, "set": without}
    folder = run_and_let_go(small_sweep(shards, tmp_path, **changes)).folder
    assert {trial.state for trial in folder.trials()} <= {"finished", "stopped"}
    tree = folder.read(SWEEP_FILE)
    assert tree is not None
    assert tree["metric"]["name"] == DEFAULT
    for name in folder.open("final").folders():
        final = folder.read(FINAL_FILE, f"final/{name}")
        assert final is not None
        assert final["state"] == "finished"
        assert final["best"]["information_maximisation"] > 0
        assert "miou" not in final["best"]
        assert final["images"] is None
        summary = RunFolder.open(f"{folder.url}/final/{name}").summary()
        assert (summary["selected_by"], summary["target_labels"]) == (DEFAULT, False)
    page = Path(write_report(folder.url)).read_text()
    assert "no target label was used" in page
    assert "data:image/png" in page, "predictions are shown without labels"


def test_a_diverging_trial_fails_alone(shards: str, tmp_path: Path) -> None:
    options = small_sweep(
        shards,
        tmp_path,
        search="grid",
        grid_points=2,
        scheduler="none",
        max_steps=4,
        space=("optimizer.segmenter_lr=choice:1e30:1e-4",),
        set=("optimizer.segmenter=sgd",),
    )
    trials = run_and_let_go(options).folder.trials()
    states = {trial.values["optimizer.segmenter_lr"]: trial for trial in trials}
    assert len(trials) == 3
    assert states[1e-4].state == states[1e-3].state == "finished"
    assert states[1e30].state == "failed"
    assert "loss/" in str(states[1e30].reason)


def test_ray_train_in_processes_of_their_own(
    shards: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way of trials on GPUs: stopped ones must give their workers' resources back."""
    options = small_sweep(shards, tmp_path, fresh_processes=True, num_trials=2, max_steps=4)
    trials = run_and_let_go(options).folder.trials()
    assert "-- after an interruption go on with: python tune/search.py" in capsys.readouterr().err
    assert len(trials) == 2
    assert {trial.state for trial in trials} <= {"finished", "stopped"}
    assert json.loads((tmp_path / "sweep" / SWEEP_FILE).read_text())["warm_processes"] is False


def _with_checkpoints(folder: Path) -> set[str]:
    """The trials that have some."""
    return {path.parts[-3] for path in folder.glob("sweep/trials/*/checkpoints/step_*")}


def test_checkpoints_of_hopeless_trials_are_deleted(shards: str, swept: Path) -> None:
    metric = make_plan(small_sweep(shards, swept, **SHORT)).metric
    best = winner(SweepFolder(f"{swept}/sweep").trials(), metric)
    assert best is not None
    assert _with_checkpoints(swept) == {best.id}


def test_a_time_budget_ends_what_runs_and_begins_nothing_more(
    shards: str, swept: Path, tmp_path: Path
) -> None:
    # Enough for a process to start, as one did before, and for some steps.
    start_s = SweepFolder(f"{swept}/sweep").trials()[0].start_seconds
    assert start_s is not None
    budget = f"{2 * start_s + 5:.0f}s"
    options = small_sweep(
        shards,
        tmp_path,
        scheduler="none",
        max_steps=2000,
        set=("optimizer.horizon=2000",),
        max_concurrent=1,
        time_budget=budget,
    )
    record = run_and_let_go(options)
    trials = record.folder.trials()
    assert 1 <= len(trials) < 4
    assert trials[-1].state == "stopped"
    assert 0 < trials[-1].steps < 2000
    assert trials[-1].reason == f"the time budget of {budget} was used up"
    tree = record.folder.read(SWEEP_FILE)
    assert tree is not None
    assert (tree["status"], tree["best"]) == ("finished", trials[-1].id)


def test_trials_are_runs_of_mlflow(swept: Path) -> None:
    trials = SweepFolder(f"{swept}/sweep").trials()
    client = mlflow.MlflowClient(_mlflow(swept))
    experiment = client.get_experiment_by_name("sweep")
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


def test_one_sweep_a_folder(shards: str, swept: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no sweep at"):
        run_sweep(make_plan(small_sweep(shards, tmp_path, resume=True, **SHORT)), "")
    with pytest.raises(ConfigError, match="holds a sweep already; go on with --resume"):
        run_sweep(make_plan(small_sweep(shards, swept, **SHORT)), "")
    other = small_sweep(shards, swept, resume=True, **{**SHORT, "max_steps": 8})
    with pytest.raises(ConfigError, match=r"has experiment.run.steps = 4, not 8"):
        run_sweep(make_plan(other), "")
    with pytest.raises(ConfigError, match=r"the cluster never has room"):
        run_sweep(
            make_plan(small_sweep(shards, swept, overwrite=True, cpus_per_trial=99, **SHORT)), ""
        )
    # More trials are no other sweep, and what was refused has overwritten nothing.
    before = SweepFolder(f"{swept}/sweep").trials()
    concurrent = int(ray.cluster_resources()["CPU"])  # type: ignore[no-untyped-call]
    more = {"resume": True, "num_trials": len(before) + concurrent + 2, "mlflow": _mlflow(swept)}
    trials = run_and_let_go(small_sweep(shards, swept, **SHORT, **more)).folder.trials()
    assert trials[: len(before)] == before
    assert [trial.state for trial in trials] == ["finished"] * (len(before) + concurrent + 2)
    # The later ones start in warm processes too, and one trial alone keeps its checkpoints.
    _assert_warm(trials[len(before) :])
    assert len(_with_checkpoints(swept)) == 1


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
    changes: dict[str, Any],
    message: str,
    shards: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(UserError, match=message):
        run_sweep(make_plan(small_sweep(shards, tmp_path, **changes)), "")
    assert not (tmp_path / "sweep" / "trials").exists()
    assert "go on with" not in capsys.readouterr().err
