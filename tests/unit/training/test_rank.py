"""One rank alone, in this process."""

from __future__ import annotations

import shutil
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from advent_dist.config.selection import DEFAULT
from advent_dist.data.class_file import made_up_colours, parse_class_file
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.data.classes import ClassSet
from advent_dist.errors import DamageError, UserError
from advent_dist.parallel.world import World
from advent_dist.runs.classes import classes_of
from advent_dist.training import checkpoint, rank, scratch
from advent_dist.training.assembly import build_method
from advent_dist.training.progress import Progress
from advent_dist.training.rank import train_rank
from tests.helpers import tiny_run, write_tiny_shards
from tests.shard_helpers import examples, write_shards


def _full(*_: Any, **__: Any) -> None:
    raise OSError("no space left on device")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_checkpoint_that_can_t_be_written_leaves_nothing_behind(
    temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_shards(str(tmp_path / "data"))
    monkeypatch.setattr(checkpoint, "save_file", _full)
    experiment = tiny_run(str(tmp_path / "data"), "unused", run__steps=1, engine__kind="local")
    with pytest.raises(OSError, match="no space left"):
        train_rank(experiment, CAMVID_11, World(), lambda *_: False)
    assert list(temporary.glob("advent-dist-own-*")) == []


def test_the_disk_has_room_for_one_checkpoint(temporary: Path, tmp_path: Path) -> None:
    """The next one is written once the last is stored, and gone from the disk, as at the end."""
    write_tiny_shards(str(tmp_path / "data"))
    parts: list[Path] = []
    most = 0

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        nonlocal most
        assert checkpoint is not None
        parts.append(checkpoint)
        most = max(most, len(list(temporary.glob("advent-dist-own-*"))))
        return False

    def stored() -> None:
        while parts:
            scratch.remove_folder(parts.pop())

    changes = {"run__steps": 3, "run__checkpoint_every": 1, "engine__kind": "local"}
    experiment = tiny_run(str(tmp_path / "data"), "unused", **changes)
    train_rank(experiment, CAMVID_11, World(), report, stored=stored)
    assert most == 1
    assert list(temporary.glob("advent-dist-own-*")) == []


def _alone(root: Path, **changes: Any) -> None:
    """Train on shards at `root` with plain PyTorch, and keep nothing."""
    changes = {"engine__kind": "local", "run__checkpoint_every": 100, **changes}
    experiment = tiny_run(str(root), "unused", **changes)
    train_rank(experiment, CAMVID_11, World(), lambda *_: False)


def test_readers_are_there_before_the_gpu_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One a domain and one that evaluates; nobody else is forked until the end."""
    write_tiny_shards(str(tmp_path))
    family = psutil.Process()
    others = family.children()
    seen: list[set[psutil.Process]] = []

    def look(*arguments: Any) -> Any:
        seen.append(set(family.children()) - set(others))
        return build_method(*arguments)

    def report(*_: Any) -> bool:
        seen.append(set(family.children()) - set(others))
        return False

    monkeypatch.setattr(rank, "build_method", look)
    experiment = tiny_run(str(tmp_path), "unused", engine__kind="local", data__workers_per_rank=1)
    train_rank(experiment, CAMVID_11, World(), report)
    assert len(seen) == 5
    assert [len(one) for one in seen] == [3] * 5
    assert all(one == seen[0] for one in seen), "evaluations at steps 2 and 4 fork nobody"
    assert set(family.children()) <= set(others)


@pytest.mark.parametrize("evaluation", [None, "bare"])
def test_a_run_without_target_labels(tmp_path: Path, evaluation: str | None) -> None:
    """It ends with a best checkpoint that a criterion chose."""
    write_tiny_shards(str(tmp_path))
    write_shards(f"{tmp_path}/bare", examples(5, size=(48, 64)), labelled=False)
    rows = []

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        rows.append(row)
        return False

    changes = {"data__evaluation": evaluation, "data__source_evaluation": "evaluation"}
    experiment = tiny_run(str(tmp_path), "unused", engine__kind="local", **changes)
    progress = train_rank(experiment, CAMVID_11, World(), report)
    assert progress.selected_by == DEFAULT
    assert progress.best is not None
    evaluated = [row for row in rows if DEFAULT in row]
    assert [row["step"] for row in evaluated] == [2, 4]
    assert all("target_miou" not in row and row["source_miou"] >= 0 for row in evaluated)
    live = max(row["target_live_classes"] for row in evaluated)
    best = max(
        (row for row in evaluated if row["target_live_classes"] >= live / 2),
        key=lambda row: row[DEFAULT],
    )
    assert progress.best.step == best["step"]


@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_a_shard_that_is_cut_short_is_named(kept: float, tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    shard = next((tmp_path / "source").glob("*.tar"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(DamageError, match=rf"{shard.name}: .*cut short"):
        _alone(tmp_path)


@pytest.mark.parametrize(("value", "size", "said"), [(11, 64, "value 11"), (0, 32, "32x32")])
def test_labels_that_can_not_be_are_named(value: int, size: int, said: str, tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    label = np.full((size, size), value, dtype=np.uint8)
    wrong = [one._replace(label=label) for one in examples(10, size=(64, 64))]
    write_shards(f"{tmp_path}/source", wrong)
    with pytest.raises(UserError, match=said):
        _alone(tmp_path)


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path))
    with pytest.raises(UserError, match=r"/nowhere.pth"):
        _alone(tmp_path, model__weights="/nowhere.pth")


@pytest.mark.parametrize("num_classes", [2, 150, 254])
def test_any_number_of_classes(num_classes: int, tmp_path: Path) -> None:
    """That fits into a label, from the shards' manifests alone."""
    names = tuple(f"class {i}" for i in range(num_classes))
    classes = ClassSet(
        name="own",
        names=names,
        palette=tuple(islice(made_up_colours(), num_classes)),
        subsets={"first": (0,)},
    )
    for folder, labelled in (("source", True), ("target", False), ("evaluation", True)):
        samples = examples(4, size=(64, 64), num_classes=num_classes)
        write_shards(f"{tmp_path}/{folder}", samples, classes=classes, labelled=labelled)
    experiment = tiny_run(
        str(tmp_path), "unused", engine__kind="local", data__classes=None, run__steps=2
    )
    assert classes_of(experiment) == classes
    kept: list[str] = []

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        if checkpoint is not None:
            kept.append((checkpoint / "classes.json").read_text())
            shutil.rmtree(checkpoint)
        return False

    progress = train_rank(experiment, classes, World(), report)
    assert progress.last is not None
    assert tuple(progress.last.target["per_class"]) == names
    assert set(progress.last.target["subsets"]) == {"first"}
    assert parse_class_file(kept[-1], "classes.json").classes == classes
