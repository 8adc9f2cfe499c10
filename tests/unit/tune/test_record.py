"""sweep.json: whose folder it is, and what is left of a trial whose process is gone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from advent_dist.config.override import to_json
from advent_dist.data.class_sets import CAMVID_11, CITYSCAPES_19
from advent_dist.errors import ConfigError
from advent_dist.experiments import experiment
from tests.unit.tune.helpers import plan, trial
from tune.record import SweepRecord


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"experiment": "streets_minent"}, r'has experiment.name = "streets_advent", not'),
        ({"data": "/elsewhere"}, r"has experiment.data.root = .*, not \"/elsewhere\""),
        ({"metric": "criterion/snd"}, r'has metric.name = "target_miou", not "criterion/snd"'),
        ({"seed": 1}, r"has seed = 0, not 1"),
        ({"space": ("method.lambda_adv=uniform:0:1",)}, r"has space\."),
        ({"reduction_factor": 3}, r"has reduction_factor = 2, not 3"),
    ],
)
def test_another_sweep_is_not_gone_on_with(
    tmp_path: Path, other: dict[str, object], difference: str
) -> None:
    SweepRecord.open(plan(tmp_path, name="one"), CITYSCAPES_19, "")
    before = (tmp_path / "one" / "sweep.json").read_text()
    with pytest.raises(ConfigError, match=difference):
        SweepRecord.open(plan(tmp_path, name="one", resume=True, **other), CITYSCAPES_19, "")
    assert (tmp_path / "one" / "sweep.json").read_text() == before


def test_a_sweep_is_not_gone_on_with_on_other_classes(tmp_path: Path) -> None:
    SweepRecord.open(plan(tmp_path), CITYSCAPES_19, "")
    with pytest.raises(ConfigError, match=r"has the classes road, .* the shards have sky, build"):
        SweepRecord.open(plan(tmp_path, resume=True), CAMVID_11, "")


def test_it_goes_on_with_the_experiment_that_it_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its file, and from anywhere: paths that were relative stay where they were."""
    changes = {"name": "one", "set": ("optimizer.power=0.5",), "max_steps": 200}
    own = tmp_path / "houses.json"
    own.write_text(to_json(experiment("streets_advent")))
    made = SweepRecord.open(plan(tmp_path, **changes, experiment=str(own)), CITYSCAPES_19, "").plan
    own.unlink()
    monkeypatch.chdir("/")
    kept = f"{tmp_path}/one/experiment.json"
    again = plan(tmp_path, **changes, resume=True, experiment=kept)
    assert (again.given, again.experiment) == (made.given, made.experiment)
    SweepRecord.open(again, CITYSCAPES_19, "")
    record = SweepRecord.open(plan(tmp_path, name="one", overwrite=True), CITYSCAPES_19, "")
    record.folder.clear()
    assert record.folder.open().list() == []


def test_a_built_in_experiment_is_known_by_its_name(tmp_path: Path) -> None:
    record = SweepRecord.open(plan(tmp_path), CITYSCAPES_19, "")
    assert record.folder.open().list() == ["sweep.json"]


def test_more_trials_and_another_cache_are_no_other_sweep(tmp_path: Path) -> None:
    SweepRecord.open(plan(tmp_path), CITYSCAPES_19, "")
    changes = {"num_trials": 64, "time_budget": "8h", "set": ("data.cache_dir=/elsewhere",)}
    again = SweepRecord.open(plan(tmp_path, resume=True, **changes), CITYSCAPES_19, "")
    tree = again.folder.read("sweep.json")
    assert tree is not None
    assert tree["num_trials"] == 64


def test_a_moved_sweep_goes_on_where_it_is(tmp_path: Path) -> None:
    SweepRecord.open(plan(tmp_path / "made", name="one"), CITYSCAPES_19, "").folder.write_trial(
        trial(0, 1.0)
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "made" / "one").rename(tmp_path / "elsewhere" / "two")
    moved = plan(tmp_path / "elsewhere", name="two", resume=True)
    assert [one.score for one in SweepRecord.open(moved, CITYSCAPES_19, "").folder.trials()] == [
        1.0
    ]
    assert list((tmp_path / "made").iterdir()) == []


def test_a_sweep_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Its record has the place where it was made, and what the call had asked for; it lacks fields
    that are new since."""
    record = SweepRecord.open(plan(tmp_path), CITYSCAPES_19, "")
    tree = record.folder.read("sweep.json")
    assert tree is not None
    tree["experiment"]["run"] |= {
        "storage": "/made",
        "name": None,
        "resume": False,
        "overwrite": False,
    }
    del tree["experiment"]["data"]["evaluation_images"]
    record.folder.write("sweep.json", tree)
    SweepRecord.open(plan(tmp_path, resume=True), CITYSCAPES_19, "")


def test_overwriting_deletes_what_the_sweep_wrote_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, place = (
        SweepRecord.open(plan(tmp_path, name="one"), CITYSCAPES_19, ""),
        tmp_path / "one",
    )
    record.folder.write_trial(trial(0, 1.0))
    config = '{"name": "", "data": {}, "method": {}, "run": {}}'
    written = (
        "scheduler.json",
        "report.html",
        "trials.csv",
        "trials/00000/checkpoints/step_000001/run.json",
        "trials/00000/metrics.jsonl",
        "final/best_seed1/final.json",
        "final/best_seed1/summary.json",
    )
    mine = ("notes.txt", "trials/best/weights.pth", "trials/00000/thoughts.txt", "final/plot.pdf")
    for name in (*written, *mine):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("")
    (place / "trials" / "00000" / "config.json").write_text(config)
    SweepRecord.open(plan(tmp_path, name="one", overwrite=True), CITYSCAPES_19, "")
    left = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert left == {*mine, "sweep.json"}
    said = capsys.readouterr().err
    assert f"--overwrite deletes in {place}: " in said
    assert "trials/00000/" in said


@pytest.mark.parametrize("name", ["config.json", "report.html"])
def test_files_of_somebody_else_are_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / name).write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match=rf"{name} there is not of a sweep"):
            SweepRecord.open(plan(tmp_path, name="one", overwrite=overwrite), CITYSCAPES_19, "")
    assert (tmp_path / "one" / name).read_text() == "mine"


def test_a_trial_whose_process_is_gone_is_to_be_resumed(tmp_path: Path) -> None:
    record = SweepRecord.open(plan(tmp_path), CITYSCAPES_19, "")
    record.folder.write_trial(trial(0, 12.0, "running", steps=50))
    record.folder.write_trial(trial(1, 20.0, steps=300))
    for number in (0, 1):
        record.on_trial_error(0, [], SimpleNamespace(config={"number": number}))
    gone, finished = record.folder.trials()
    assert (gone.state, gone.steps, gone.score) == ("interrupted", 50, 12.0)
    assert gone.reason == "its process died more often than --max-failures allows"
    assert not gone.has_ended
    assert finished.state == "finished"
