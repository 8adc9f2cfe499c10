"""`advent-dist new`: a file for shards that are there, or one message and no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from advent_dist import cli
from advent_dist.experiments.file import experiment_in_file
from tests.helpers import write_tiny_shards
from tests.shard_helpers import boxed_examples, examples, write_shards


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny_shards(str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


_SHARDS = ("--source", "data/source", "--target", "data/target")


def test_it_looks_at_the_shards(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [*_SHARDS, "--evaluation", "data/evaluation", "--for", "cpu"]
    assert cli.run(["new", "houses", *flags]) == 0
    said = capsys.readouterr().out
    assert said.startswith("houses.py: 300 steps of ")
    assert said.endswith("next: advent-dist doctor houses.py; advent-dist train houses.py\n")
    made = experiment_in_file("houses.py")
    data = made.data
    assert (data.root, data.source, data.target) == ("data", "source", "target")
    assert (data.evaluation, data.source_size) == ("evaluation", (64, 64))
    text = (here / "houses.py").read_text()
    assert "10 images of about 64x64, 11 classes" in text
    assert "12 images of about 64x64, whose labels choose the best step" in text
    assert max(map(len, text.splitlines())) <= 100
    assert cli.run(["new", "long.py", *_SHARDS, "--for", "gpu", "--method", "minent"]) == 0
    long = experiment_in_file("long.py")
    assert (long.name, long.run.steps, long.method.name) == ("long", 2000, "minent")


def test_a_file_that_is_there_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "houses.py").write_text("mine")
    for name in ("houses", "houses.py"):
        assert cli.run(["new", name, *_SHARDS]) == 1
        said = capsys.readouterr().err
        assert said == (
            "advent-dist new: houses.py is there already, and is kept; give another NAME, or "
            "delete it\n"
        )
    assert (here / "houses.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["3d", *_SHARDS], "NAME = '3d': give letters, digits, - and _"),
        (["config", *_SHARDS], "NAME = 'config': that is a word of the file's own language; give"),
        (["class", *_SHARDS], "NAME = 'class': that is a word of the file's own language; give"),
        (["no/houses", *_SHARDS], "NAME = 'no/houses': there is no folder no; make it first"),
        (["s3://bucket/houses", *_SHARDS], "NAME s3://bucket/houses: it can't be a URL"),
        (
            ["houses", "--source", "data/nothing", "--target", "data/target"],
            "data/nothing/manifest.json: there is no such file",
        ),
        (
            ["houses", "--source", "data/target", "--target", "data/source"],
            "data/target: its shards have no labels",
        ),
        (
            ["houses", "--source", "data/boxed", "--target", "data/target"],
            "data/boxed: its shards have boxes, but no label maps, and experiments for "
            "segmenters alone are drafted; for a detector start from streets_boxes_advent",
        ),
        (
            ["houses", "--source", "data/source", "--target", "data/streets"],
            "data/source has the classes camvid11, and data/streets was built with the classes "
            "cityscapes19: ",
        ),
    ],
)
def test_a_mistake_leaves_no_file(
    here: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    streets = examples(4, size=(64, 64), num_classes=19)
    write_shards("data/streets", streets, classes="cityscapes19")
    write_shards("data/boxed", boxed_examples(2))
    assert cli.run(["new", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"advent-dist new: {said}")
    assert error.count("\n") == 1
    assert [one.name for one in here.iterdir()] == ["data"]
