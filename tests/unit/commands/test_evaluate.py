"""`advent-dist evaluate` on run folders with random networks and real shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from advent_dist import cli
from advent_dist.runs.scoring import score
from tests.shard_helpers import examples, write_shards
from tests.unit.runs.test_trained import trained_run

CLASSES = {"data__classes": "camvid11", "data__evaluation": "val", "data__workers_per_rank": 0}


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """Two runs of other initial weights."""
    write_shards(str(tmp_path / "val"), examples(4, size=(64, 48)))
    common = {**CLASSES, "data__root": str(tmp_path)}
    one, _ = trained_run(tmp_path, "one", **common)
    other, _ = trained_run(tmp_path, "other", seed=1, **common)
    return [one, other]


def test_last_and_best_are_other_networks(runs: list[str]) -> None:
    last, best = score(runs[:1], "last"), score(runs[:1], "best")
    assert last.criteria != best.criteria
    assert last.accuracy is not None
    assert len(last.accuracy.per_class) == 11


def test_an_ensemble_of_a_run_with_itself_is_the_run(runs: list[str]) -> None:
    one, twice = score(runs[:1], "last"), score([runs[0], runs[0]], "last")
    assert twice.to_json()["miou"] == pytest.approx(one.to_json()["miou"])
    assert twice.criteria.mean_entropy == pytest.approx(one.criteria.mean_entropy)


def test_an_ensemble_of_two_runs_is_neither(runs: list[str]) -> None:
    """The mean of their logits, whatever their order."""
    one, other = score(runs[:1], "last"), score(runs[1:], "last")
    both, turned = score(runs, "last"), score(runs[::-1], "last")
    assert both.criteria.mean_entropy == pytest.approx(turned.criteria.mean_entropy)
    assert len({found.criteria.mean_entropy for found in (one, other, both)}) == 3
    assert both.accuracy not in (one.accuracy, other.accuracy)


def test_other_shards_by_their_place(runs: list[str], tmp_path: Path) -> None:
    write_shards(str(tmp_path / "elsewhere"), examples(3, size=(32, 32)))
    elsewhere = score(runs[:1], "last", str(tmp_path / "elsewhere"))
    assert elsewhere.criteria != score(runs[:1], "last").criteria


def test_images_without_labels(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The numbers that need no label are those of the same images with labels."""
    write_shards(f"{tmp_path}/bare", examples(4, size=(64, 48)), labelled=False)
    bare = score(runs[:1], "last", f"{tmp_path}/bare")
    assert bare.accuracy is None
    assert bare.criteria == score(runs[:1], "last").criteria
    assert cli.run(["evaluate", runs[0], "--data", f"{tmp_path}/bare"]) == 0
    table = capsys.readouterr().out
    assert "no target label" in table
    assert "information maximisation (0..1)" in table
    assert "IoU" not in table


def test_a_run_without_evaluation_images_is_evaluated_on_its_target(tmp_path: Path) -> None:
    write_shards(f"{tmp_path}/target", examples(5, size=(64, 48)))
    changes = {"data__target": "target", "data__evaluation": None, "data__held_out": None}
    run, _ = trained_run(tmp_path, **{**CLASSES, "data__root": str(tmp_path), **changes})
    found = score([run], "last")
    assert found.accuracy is None, "labels of the target are never read"
    assert found.criteria == score([run], "last", f"{tmp_path}/target").criteria


def test_json_and_table(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate", runs[0], "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == score(runs[:1], "last").to_json()
    assert cli.run(["evaluate", runs[0], "--which", "best"]) == 0
    table = capsys.readouterr().out
    assert "bicyclist" in table
    assert "mean over 11 classes" in table


def test_windows(runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the call, or else of the first run; one as large as the images is none."""
    common = {**CLASSES, "data__root": str(tmp_path), "data__evaluation_window": (32, 32)}
    sliding, _ = trained_run(tmp_path, "sliding", **common)
    probabilities = {**common, "data__evaluation_average": "probabilities"}
    probable, _ = trained_run(tmp_path, "probable", **probabilities)
    found = []
    for arguments in (
        [runs[0]],
        [runs[0], "--window", "64", "64"],
        [runs[0], "--window", "32", "32"],
        [runs[0], "--window", "32", "32", "--stride", "32", "16"],
        [sliding],
        [sliding, "--window", "64", "64"],
        [sliding, "--average", "probabilities"],
        [runs[0], "--window", "32", "32", "--average", "probabilities"],
        [probable],
        [probable, "--average", "logits"],
    ):
        assert cli.run(["evaluate", *arguments, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["mean_entropy"])
    whole, one, half, other, own, own_whole, *of_probabilities, of_logits = found
    assert one == pytest.approx(whole)
    assert (own, own_whole) == (half, one)
    assert len({one, half, other}) == 3
    assert len({half, *of_probabilities}) == 2
    assert of_logits == half


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--window", "65", "64"], "--window = (65, 64): larger than the images, which are 64x64"),
        (["--window", "32", "32", "--stride", "33", "8"], "--stride = (33, 8): larger than the"),
        (["--stride", "8", "8"], "--stride = (8, 8): there are no windows; give --window too"),
        (["--average", "logits"], "--average = 'logits': there are no windows; give --window too"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_windows_that_can_not_be(
    command: str,
    arguments: list[str],
    message: str,
    runs: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if command == "predict":
        Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
        arguments = [*arguments, "--images", str(tmp_path / "a.png"), "--out", str(tmp_path / "o")]
    assert cli.run([command, runs[0], *arguments]) == 1
    assert message in " ".join(capsys.readouterr().err.split())


def test_damage_over_all_readers_is_counted_and_limited(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = write_shards(str(tmp_path / "val"), examples(4, size=(64, 48)), per_shard=1)
    for shard in shards.shards[1:3]:
        (tmp_path / "val" / shard.name).write_bytes(b"")
    common = {**CLASSES, "data__root": str(tmp_path), "data__workers_per_rank": 2}
    common |= {"data__evaluation_damaged": "skip", "data__evaluation_batch_size_per_rank": 1}
    half, _ = trained_run(tmp_path, "half", **common, data__max_damaged_fraction=0.5)
    assert cli.run(["evaluate", half, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["skipped_samples"] == 2
    assert cli.run(["evaluate", half]) == 0
    assert "damaged samples left out" in capsys.readouterr().out
    third, _ = trained_run(tmp_path, "third", **common, data__max_damaged_fraction=0.3)
    assert cli.run(["evaluate", third]) == 1
    assert "val: 2 of 4 samples were skipped" in capsys.readouterr().err


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.run(["evaluate", "--which", "first"])
    assert done.value.code == 2
    assert cli.run(["evaluate"]) == 2
    assert "at least one run folder" in capsys.readouterr().err


def test_shards_of_other_classes(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(str(tmp_path / "val19"), examples(2), classes="cityscapes19")
    assert cli.run(["evaluate", runs[0], "--data", str(tmp_path / "val19")]) == 1
    assert "built with the classes cityscapes19" in capsys.readouterr().err
