from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from advent_dist.config import Call, Experiment
from advent_dist.config.override import override, to_json
from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import CheckpointError, ConfigError, UnavailableError
from advent_dist.runs.folder import RunFolder, experiment_of_run
from advent_dist.training.progress import Progress, Scores
from tests.checkpoint_parts import write_weights
from tests.helpers import tiny_experiment

ROWS = [{"step": step, "loss/seg": 1.0 / step} for step in (10, 20, 30)]


def _experiment(storage: Path, **run: Any) -> Experiment:
    changes = {f"run.{name}": value for name, value in run.items()}
    return override(tiny_experiment("streets_advent"), {"run.storage": str(storage), **changes})


def _run_that_reported(storage: Path) -> RunFolder:
    experiment = _experiment(storage)
    run = RunFolder.of(experiment)
    run.start(experiment, Call())
    for row in ROWS:
        run.append(row)
    return run


def test_the_place_of_a_run(tmp_path: Path) -> None:
    assert RunFolder.of(_experiment(tmp_path)).url == f"{tmp_path}/streets_advent"
    assert RunFolder.of(_experiment(tmp_path, name="mine")).url == f"{tmp_path}/mine"
    assert not list(tmp_path.iterdir()), "asking for the place makes nothing"


def test_the_config_is_kept(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    RunFolder.of(experiment).start(experiment, Call())
    assert RunFolder.open(f"{tmp_path}/streets_advent").experiment() == experiment


def test_a_taken_folder_is_left_alone(tmp_path: Path) -> None:
    run = _run_that_reported(tmp_path)
    other = _experiment(tmp_path, steps=7)
    with pytest.raises(ConfigError, match=r"holds a run already; .*--resume.*--overwrite"):
        RunFolder.of(other).start(other, Call())
    assert run.rows() == ROWS
    assert run.experiment().run.steps != 7


def test_a_run_that_failed_at_once_may_be_started_again(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    RunFolder.of(experiment).start(experiment, Call())
    again = _experiment(tmp_path, steps=7)
    RunFolder.of(again).start(again, Call())
    assert RunFolder.of(again).experiment().run.steps == 7


def test_overwriting_deletes_what_the_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    run, place = _run_that_reported(tmp_path), tmp_path / "streets_advent"
    written = (
        "checkpoints/step_000030/run.json",
        "checkpoints/step_1000000/engines/segmenter/0.safetensors",
        "checkpoints/checkpoint_manager_snapshot.json",
        "checkpoints/kept.json",
        "tensorboard/events.out.tfevents.1.host.2.0",
        "panels/01.png",
        "report.html",
    )
    mine = (
        "notes.txt",
        "checkpoints/best_of_all/weights.pth",
        "checkpoints/step_000030/notes.txt",
        "checkpoints/step_000030/for_mobile/weights.tflite",
        "panels/for_the_paper.png",
        "panels/99_figure.png",
    )
    for name in (*written, *mine):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("")
    assert set(run.belongings()) == {
        "checkpoints/checkpoint_manager_snapshot.json",
        "checkpoints/kept.json",
        "checkpoints/step_000030/",
        "checkpoints/step_1000000/",
        "config.json",
        "metrics.jsonl",
        "panels/01.png",
        "report.html",
        "tensorboard/events.out.tfevents.1.host.2.0",
    }
    run.clear()
    left = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert left == set(mine)
    assert not (place / "tensorboard").exists(), "an empty folder is litter"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", '{"model_type": "segformer"}'),
        ("config.json", "not even JSON"),
        ("summary.json", "{}"),
        ("sweep.json", "{}"),
    ],
)
@pytest.mark.parametrize("call", [Call(), Call(overwrite=True), Call(resume=True)])
def test_files_of_somebody_else_are_not_replaced(
    tmp_path: Path, name: str, text: str, call: Call
) -> None:
    place = tmp_path / "streets_advent"
    place.mkdir()
    (place / name).write_text(text)
    experiment = _experiment(tmp_path)
    with pytest.raises(ConfigError, match=rf"{name} there is not of a run .* another --run.name"):
        RunFolder.of(experiment).start(experiment, call)
    assert (place / name).read_text() == text


def test_resuming_keeps_the_metrics_and_takes_the_new_config(tmp_path: Path) -> None:
    run = _run_that_reported(tmp_path)
    more = _experiment(tmp_path, steps=900)
    RunFolder.of(more).start(more, Call(resume=True))
    assert run.rows() == ROWS
    assert run.experiment().run.steps == 900


def test_what_an_interrupted_deletion_left_is_not_gone_on_with(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    run = RunFolder.of(experiment)
    run.start(experiment, Call())
    run.folder.write("checkpoints/step_000300/run.json", b"{}")
    with pytest.raises(ConfigError, match="holds a run already"):
        run.start(experiment, Call())


def test_resuming_needs_a_run(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    with pytest.raises(ConfigError, match=r"--resume: there is no run at .*/streets_advent; drop"):
        RunFolder.of(experiment).start(experiment, Call(resume=True))


def test_a_run_does_not_go_on_to_a_step_that_it_has_passed(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, steps=12)
    run = RunFolder.of(experiment)
    run.start(experiment, Call())
    write_weights(run.url, 12, {"a": torch.zeros(1)})
    shorter = _experiment(tmp_path, steps=6)
    with pytest.raises(ConfigError, match=r"run.steps = 6: .* checkpoint of step 12; give 12 or"):
        run.start(shorter, Call(resume=True))
    assert run.experiment() == experiment
    for steps in (12, 20):
        run.start(_experiment(tmp_path, steps=steps), Call(resume=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.encoder": "test_vit"}, "model.encoder = 'test_vit', but .* 'test_resnet'"),
    ],
)
def test_resuming_with_another_model_leaves_the_config_as_it_was(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """Or the run could not be evaluated any more."""
    run = _run_that_reported(tmp_path)
    other = override(_experiment(tmp_path), change)
    with pytest.raises(CheckpointError, match=message):
        RunFolder.of(other).start(other, Call(resume=True))
    assert run.experiment() == _experiment(tmp_path)


def test_a_run_is_in_the_folder_where_its_config_lies(tmp_path: Path) -> None:
    """Wherever that was moved to, and not where it was made."""
    run = _run_that_reported(tmp_path / "made")
    moved = tmp_path / "moved to" / "another name"
    moved.parent.mkdir()
    (tmp_path / "made" / "streets_advent").rename(moved)
    found = experiment_of_run(str(moved / "config.json"))
    assert RunFolder.of(found).url == str(moved)
    assert RunFolder.of(found).rows() == ROWS
    assert not run.folder.list()


def test_a_run_that_was_moved_before_it_reported_goes_on_where_it_lies(tmp_path: Path) -> None:
    run = RunFolder.of(_experiment(tmp_path / "made"))
    run.start(_experiment(tmp_path / "made"), Call())
    run.write_classes(CITYSCAPES_19)
    moved = tmp_path / "moved"
    (tmp_path / "made" / "streets_advent").rename(moved)
    assert RunFolder.of(experiment_of_run(str(moved / "config.json"))).url == str(moved)


def test_a_run_in_a_bucket_is_where_its_config_lies() -> None:
    experiment = override(_experiment(Path("/made")), {"run.name": "one"})
    for row in ROWS:
        moved = RunFolder(open_folder("memory://bucket/moved/two"))
        moved.folder.write("config.json", to_json(experiment).encode())
        moved.append(row)
    found = experiment_of_run("memory://bucket/moved/two/config.json")
    assert (found.run.storage, found.run.name) == ("memory://bucket/moved", "two")


@pytest.mark.parametrize("name", ["config.json", "mine.json"])
def test_a_config_beside_no_run_keeps_its_storage_and_name(tmp_path: Path, name: str) -> None:
    experiment = _experiment(tmp_path / "made", name="one")
    (tmp_path / name).write_text(to_json(experiment))
    assert experiment_of_run(str(tmp_path / name)) == experiment


@pytest.mark.parametrize(
    ("name", "sweep"),
    [("one", None), ("sweep/trials/00003", "sweep"), ("sweep/final/best_seed1", "sweep")],
)
def test_the_sweep_around_a_run(tmp_path: Path, name: str, sweep: str | None) -> None:
    around = RunFolder(open_folder(f"{tmp_path}/{name}")).sweep
    assert (around and around.url) == (sweep and f"{tmp_path}/{sweep}")


def test_what_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no run folder: it holds no config.json"):
        RunFolder.open(str(tmp_path))


def test_rewinding_forgets_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    _run_that_reported(tmp_path)
    run = RunFolder.open(f"{tmp_path}/streets_advent")
    run.rewind(20)
    run.append({"step": 25, "loss/seg": 9.0})
    assert [row["step"] for row in run.rows()] == [10, 20, 25]
    run.rewind(0)
    run.append({"step": 1})
    assert run.rows() == [{"step": 1}]


def test_metrics_are_one_json_object_a_line(tmp_path: Path) -> None:
    run = _run_that_reported(tmp_path)
    lines = Path(run.url, "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def _scores(step: int, miou: float) -> Scores:
    return Scores(step=step, target={"miou": miou, "mean_entropy": 0.5, "live_classes": 3})


def test_the_summary_names_last_and_best_checkpoints(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, steps=40)
    run = RunFolder.of(experiment)
    with pytest.raises(CheckpointError, match=r"no summary.json yet; wait for its first check"):
        run.summary()
    progress = Progress(step=40, last=_scores(40, 20.0), best=_scores(20, 30.0))
    run.write_summary(experiment, progress)
    summary = run.summary()
    assert summary["finished"]
    assert (summary["experiment"], summary["method"]) == ("streets_advent", "advent")
    assert summary["best"]["target"]["miou"] == 30.0
    assert summary["checkpoints"] == {
        "last": "checkpoints/step_000040",
        "best": "checkpoints/step_000020",
    }
    run.write_summary(experiment, Progress(step=39, last=_scores(39, 20.0), best=_scores(39, 20.0)))
    assert not run.summary()["finished"]


def test_weights_of_last_and_best(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    run = RunFolder.of(experiment)
    run.write_summary(experiment, Progress(step=4, last=_scores(4, 2.0), best=_scores(2, 3.0)))
    for step in (2, 4):
        write_weights(run.url, step, {"a": torch.full((2,), float(step))})
    assert run.weights("last")["a"].tolist() == [4.0, 4.0]
    assert run.weights("best")["a"].tolist() == [2.0, 2.0]


def test_the_last_checkpoint_may_be_later_than_the_last_evaluation(tmp_path: Path) -> None:
    """One that is saved since a machine is about to go."""
    experiment = _experiment(tmp_path)
    run = RunFolder.of(experiment)
    run.write_summary(experiment, Progress(step=2))
    assert run.summary()["checkpoints"] == {"last": "checkpoints/step_000002"}
    with pytest.raises(CheckpointError, match="has no best checkpoint yet; wait for its first ev"):
        run.weights("best")
    run.write_summary(experiment, Progress(step=7, last=_scores(5, 2.0), best=_scores(5, 2.0)))
    assert run.summary()["checkpoints"] == {
        "last": "checkpoints/step_000007",
        "best": "checkpoints/step_000005",
    }


def test_weights_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path)
    run = RunFolder.of(experiment)
    run.write_summary(experiment, Progress(step=4))
    with pytest.raises(CheckpointError, match=r"step_000004, the last check.*run.json is missing"):
        run.weights("last")
    folder = write_weights(run.url, 4, {"a": torch.zeros(2)})
    weights = folder / "segmenter.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match=r"segmenter.safetensors, of .* bytes, has .* bytes"):
        run.weights("last")
    weights.write_bytes(b"x" * len(whole))
    with pytest.raises(CheckpointError, match=r"the last checkpoint, can't be read .* resume it"):
        run.weights("last")


def test_another_damaged_file_makes_a_checkpoint_no_less_damaged(tmp_path: Path) -> None:
    """What copied half of it may have copied half of the weights too, of the right size."""
    experiment = _experiment(tmp_path)
    run = RunFolder.of(experiment)
    run.write_summary(experiment, Progress(step=4))
    folder = write_weights(run.url, 4, {"a": torch.zeros(2)})
    listed = json.loads((folder / "run.json").read_text())["files"]
    (folder / "run.json").write_text(json.dumps({"files": {**listed, "rank_00000.safetensors": 9}}))
    with pytest.raises(CheckpointError, match=r"rank_00000.safetensors, of 9 bytes, is missing"):
        run.weights("last")


def test_checkpoints_whose_deletion_was_cut_off_are_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run_that_reported(tmp_path)
    folder = write_weights(run.url, 4, {"a": torch.zeros(2)})

    def fail(*_: Any) -> None:
        raise UnavailableError("503")

    monkeypatch.setattr(Folder, "delete", fail)
    with pytest.raises(UnavailableError):
        run.clear_checkpoints()
    assert [path.name for path in folder.iterdir()] == ["segmenter.safetensors"]


def test_the_run_folder_is_never_anonymous(tmp_path: Path) -> None:
    """Public shards need no credentials, and one's own storage does all the same."""
    experiment = override(_experiment(tmp_path), {"data.anonymous": True})
    assert not RunFolder.of(experiment).folder._connection.anonymous
