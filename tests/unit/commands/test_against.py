"""`advent-dist evaluate RUN --against RUN` on run folders with random networks and real shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from advent_dist import cli
from advent_dist.config import View
from advent_dist.runs.scoring import score
from tests.shard_helpers import examples, write_shards
from tests.unit.runs.test_trained import trained_run

IMAGES = 5
PLAIN = "streets_source_only"


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    write_shards(str(tmp_path / "val"), examples(IMAGES, size=(64, 48)))
    return tmp_path


def run_of(
    storage: Path, name: str, seed: int, recipe: str = "streets_advent", **changes: Any
) -> str:
    """A run whose images come in batches of two."""
    common: dict[str, Any] = {
        "data__classes": "camvid11",
        "data__root": str(storage),
        "data__evaluation": "val",
        "data__held_out": None,
        "data__workers_per_rank": 0,
        "data__evaluation_batch_size_per_rank": 2,
        "run__seed": seed,
    }
    return trained_run(storage, name, seed, recipe, **(common | changes))[0]


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert cli.run(["evaluate", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.run(["evaluate", *arguments]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_scores_are_those_of_each_run_by_itself(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, adapted = (
        run_of(storage, "plain", 1, PLAIN),
        run_of(storage, "adapted", 2),
    )
    for which in ("last", "best"):
        found = answer(capsys, adapted, "--against", plain, "--which", which)
        ours, theirs = score([adapted], which).to_json(), score([plain], which).to_json()
        assert found["miou"]["ours"] == pytest.approx(ours["miou"])
        assert found["miou"]["theirs"] == pytest.approx(theirs["miou"])
        for name, one in found["per_class"].items():
            assert one["ours"] == pytest.approx(ours["per_class"][name])
        assert (found["images"], found["seeds"]) == (IMAGES, 1)
        assert found["miou"]["low"] < found["miou"]["difference"] < found["miou"]["high"]


def test_table_and_verdict(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, adapted = (
        run_of(storage, "plain", 1, PLAIN),
        run_of(storage, "adapted", 2),
    )
    assert cli.run(["evaluate", adapted, "--against", plain]) == 0
    shown = capsys.readouterr().out
    assert "95 % interval" in shown
    assert "mean over 11 classes" in shown
    last = shown.splitlines()[-1]
    assert last.startswith(("Adaptation helps", "Adaptation harms", "No difference can be told"))
    assert f"{IMAGES} images" in last
    assert "differ in" not in last
    assert last.endswith("may have chosen a checkpoint, or values: give others (--data).")
    assert cli.run(["evaluate", adapted, "--against", plain, "--data", f"{storage}/val"]) == 0
    assert "chosen" not in capsys.readouterr().out
    assert cli.run(["evaluate", adapted, "--against", f"{adapted}/"]) == 1
    assert f"--against: the same on both sides ({adapted})" in capsys.readouterr().err


def test_held_out_images_are_what_tells(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shards(f"{storage}/held_out", examples(IMAGES + 2, size=(64, 48)))
    plain = run_of(storage, "plain", 1, PLAIN)
    adapted = run_of(storage, "adapted", 2, data__held_out="held_out")
    found = answer(capsys, adapted, "--against", plain)
    assert found["images"] == IMAGES + 2
    assert "chosen" not in found["verdict"]


def test_what_differs_besides_adaptation_is_said(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = run_of(storage, "plain", 1, PLAIN)
    adapted = run_of(storage, "adapted", 2, optimizer__segmenter_lr=0.1, run__steps=7)
    said = answer(capsys, adapted, "--against", plain)["verdict"]
    assert "they differ in optimizer.segmenter_lr, run.steps, too." in said
    assert "Adaptation" not in said


def test_an_ensemble_against_one_is_not_adaptation_alone(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = run_of(storage, "plain", 1, PLAIN)
    ours = [run_of(storage, f"adapted{seed}", seed) for seed in (2, 3)]
    said = answer(capsys, *ours, "--against", plain)["verdict"]
    assert "they differ in the number of trainings that are averaged, too." in said
    assert "one training each" not in said
    two = [plain, run_of(storage, "plain2", 2, PLAIN)]
    said = answer(capsys, *ours, "--against", *two, "--several", "ensemble")["verdict"]
    assert "differ in" not in said


def test_several_runs_are_an_ensemble_unless_both_sides_have_some(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, three = (run_of(storage, f"run{seed}", seed) for seed in (1, 2, 3))
    found = answer(capsys, one, two, "--against", three)
    assert found["miou"]["ours"] == pytest.approx(score([one, two], "last").to_json()["miou"])
    assert found["seeds"] == 1
    said = refusal(capsys, one, two, "--against", three, two)
    assert "2 runs against 2: add --several seeds" in said
    averaged = answer(capsys, one, two, "--against", two, three, "--several", "ensemble")
    assert averaged["miou"]["theirs"] == pytest.approx(
        score([two, three], "last").to_json()["miou"]
    )


def test_seeds_are_paired_by_seed(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = [run_of(storage, f"adapted{seed}", seed) for seed in (1, 2, 3)]
    theirs = [run_of(storage, f"plain{seed}", seed, PLAIN) for seed in (1, 2, 3)]
    found = answer(capsys, *ours, "--against", *theirs, "--several", "seeds")
    turned = answer(capsys, *ours, "--against", *theirs[::-1], "--several", "seeds")
    assert found["miou"] == turned["miou"]
    # `trained_run` gives runs of one seed the same weights.
    assert found["miou"]["low"] == found["miou"]["high"] == 0
    assert found["seeds"] == 3


def test_what_is_not_clear_is_refused(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = run_of(storage, "one", 1), run_of(storage, "two", 2)
    again = run_of(storage, "again", 1)
    seeds = ("--several", "seeds")
    assert "2 runs against 1" in refusal(capsys, one, two, "--against", again, *seeds)
    said = refusal(capsys, one, again, "--against", one, two, *seeds)
    assert "were both trained with run.seed = 1" in said
    assert "name those by --against" in refusal(capsys, one, two, *seeds)


def test_images_without_labels_tell_nothing(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(f"{storage}/bare", examples(4, size=(64, 48)), labelled=False)
    one, two = run_of(storage, "one", 1), run_of(storage, "two", 2)
    said = refusal(capsys, one, "--against", two, "--data", f"{storage}/bare")
    assert "bare has no labels, and only labels tell which run is better" in said


def test_runs_of_other_classes(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = run_of(storage, "one", 1), run_of(storage, "o", 2, data__classes="cityscapes19")
    assert "predicts camvid11, but" in refusal(capsys, one, "--against", other)


def test_each_side_sees_the_images_as_by_itself(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At its own size, and in its own windows; or in those of the command."""
    one = run_of(storage, "one", 1)
    size = {"data__evaluation_size": (128, 96), "data__evaluation_window": (64, 64)}
    other = run_of(storage, "other", 2, **size)
    found = answer(capsys, one, "--against", other)
    assert found["miou"]["ours"] == pytest.approx(score([one], "last").to_json()["miou"])
    assert found["miou"]["theirs"] == pytest.approx(score([other], "last").to_json()["miou"])
    windows = answer(capsys, one, "--against", other, "--window", "32", "32")
    alone = score([other], "last", view=View(window=(32, 32))).to_json()
    assert windows["miou"]["theirs"] == pytest.approx(alone["miou"])
