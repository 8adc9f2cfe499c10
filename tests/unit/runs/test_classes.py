"""The classes of a run: from manifests, and afterwards from its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from advent_dist.config import Call
from advent_dist.config.override import override
from advent_dist.data.class_sets import CAMVID_11, CITYSCAPES_19
from advent_dist.data.classes import ClassSet
from advent_dist.data.manifest import FILE_NAME, Manifest
from advent_dist.data.store import open_folder, read_manifest
from advent_dist.errors import CheckpointError, DataError
from advent_dist.runs.classes import classes_of, expected_classes
from advent_dist.runs.folder import RunFolder
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import boxed_examples, write_shards

MINE = ClassSet(
    name="mine",
    names=tuple(f"c{i}" for i in range(11)),
    palette=tuple((i, 0, 0) for i in range(11)),
    subsets={"few": (0, 3)},
)


def relabel(url: str, classes: ClassSet | None) -> None:
    """Give shards other classes, or none."""
    manifest = read_manifest(url)
    changed = replace(
        manifest,
        classes=classes.name if classes else None,
        class_names=classes.names if classes else (),
        palette=classes.palette if classes else (),
        subsets=classes.subsets if classes else None,
    )
    open_folder(url).write(FILE_NAME, changed.to_json().encode())


@pytest.fixture
def root(tmp_path: Path) -> str:
    write_tiny_shards(str(tmp_path))
    return str(tmp_path)


def test_a_run_takes_the_classes_of_its_shards(root: str) -> None:
    experiment = tiny_run(root, "runs", data__classes=None)
    assert classes_of(experiment) == CAMVID_11, "of shards that only have the name"
    for folder in ("source", "evaluation"):
        relabel(f"{root}/{folder}", MINE)
    relabel(f"{root}/target", None)
    assert classes_of(experiment) == MINE, "photographs alone agree with all"


@pytest.mark.parametrize("folder", ["target", "evaluation", "held_out"])
def test_folders_that_disagree_are_named(root: str, folder: str) -> None:
    other = replace(CAMVID_11, name="other", names=(*CAMVID_11.names[:9], "cyclist", "walker"))
    changes = {"data__classes": None, f"data__{folder}": "other"}
    Path(root, "evaluation").rename(Path(root, "other"))
    write_tiny_shards(root)
    relabel(f"{root}/other", other)
    said = rf"{root}/source has the classes camvid11, and {root}/other .* class 9 is 'pedestrian'"
    with pytest.raises(DataError, match=said):
        classes_of(tiny_run(root, "runs", **changes))


def test_a_name_that_the_config_gives_must_be_that_of_the_shards(root: str) -> None:
    with pytest.raises(DataError, match=r"classes camvid11, but data.classes = 'cityscapes19'"):
        classes_of(tiny_run(root, "runs", data__classes="cityscapes19"))


def test_a_source_without_classes_is_no_source(root: str) -> None:
    relabel(f"{root}/target", None)
    with pytest.raises(DataError, match=r"target: its shards have no labels; build them again"):
        classes_of(tiny_run(root, "runs", data__classes=None, data__source="target"))


def test_a_source_of_boxes_alone_is_one_for_detectors(root: str) -> None:
    write_shards(f"{root}/boxed", boxed_examples(2))
    relabel(f"{root}/boxed", None)
    changes = {"data__classes": None, "data__source": "boxed"}
    with pytest.raises(DataError, match=r"boxed: .* have boxes, but no .* set data.labels = boxes"):
        classes_of(tiny_run(root, "runs", **changes))


def test_classes_are_known_before_the_shards_are_there() -> None:
    nowhere = tiny_run("/nowhere", "runs")
    assert expected_classes(nowhere) == CAMVID_11
    assert expected_classes(override(nowhere, {"data.classes": None})) is None


def test_a_run_keeps_its_classes(tmp_path: Path) -> None:
    experiment = tiny_run("data", str(tmp_path), data__classes=None)
    run = RunFolder.of(experiment)
    run.start(experiment, Call())
    with pytest.raises(CheckpointError, match=r"has no classes.json; copy the whole run"):
        run.classes()
    run.write_classes(MINE)
    assert run.classes() == MINE
    run.check_classes(MINE)
    with pytest.raises(DataError, match=r"has the classes mine, .* classes cityscapes19: class 0"):
        run.check_classes(CITYSCAPES_19)
    assert "classes.json" in run.belongings()


def test_runs_of_old_have_the_classes_that_their_config_names(tmp_path: Path) -> None:
    experiment = tiny_run("data", str(tmp_path))
    run = RunFolder.of(experiment)
    run.start(experiment, Call())
    assert run.classes() == CAMVID_11


@pytest.mark.parametrize(
    "changes",
    [
        {"subsets": {"few": (11,)}},
        {"subsets": {"few": ()}},
        {"class_names": ("a",) * 11},
        {"classes": None},
        {"classes": None, "class_names": (), "palette": (), "class_histogram": ()},
        {"class_names": tuple(map(str, range(255))), "palette": ((0, 0, 0),) * 255},
    ],
)
def test_manifests_whose_classes_can_not_be_are_refused(root: str, changes: dict) -> None:  # type: ignore[type-arg]
    wrong = replace(read_manifest(f"{root}/source"), **changes)
    with pytest.raises(DataError, match=r"^/m\.json.*; build the shards again"):
        Manifest.from_json(wrong.to_json(), "/m.json")
