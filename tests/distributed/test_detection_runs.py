"""A detector's run goes on to the bit, and is scored the same on any number of ranks."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from advent_dist.data.class_sets import CITYSCAPES_BOXES_8
from advent_dist.parallel.world import World
from advent_dist.training.progress import Progress
from advent_dist.training.rank import train_rank
from tests.detection_runs import tiny_box_run, tiny_detectors, write_boxed_shards
from tests.distributed.test_resume import ENGINES, final_state
from tests.helpers import run_ranks

_OF_TIME = ("samples_per_s", "data_wait_fraction", "step_time_s", "read_mb_per_s")


def _train(
    world: World, root: str, kept: str, latest: str | None, changes: dict[str, Any]
) -> list[dict[str, Any]]:
    """The reported rows; each rank's parts of checkpoints are laid together under `kept`."""
    rows: list[dict[str, Any]] = []

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> None:
        last = None if progress.last is None else progress.last.target
        rows.append({key: value for key, value in row.items() if key not in _OF_TIME})
        rows[-1]["last"] = last
        if checkpoint is not None:
            shutil.copytree(checkpoint, Path(kept, str(row["step"])), dirs_exist_ok=True)
            shutil.rmtree(checkpoint)

    experiment = tiny_box_run(root, "unused", **changes)
    with tiny_detectors():
        train_rank(
            experiment,
            CITYSCAPES_BOXES_8,
            world,
            report,
            lambda: nullcontext(latest and Path(latest)),
        )
    return rows


@pytest.mark.parametrize("engine", ["local", "zero1", "zero3"])
def test_resume_is_exact(engine: str, tmp_path: Path) -> None:
    root, changes = str(tmp_path / "data"), ENGINES[engine]
    write_boxed_shards(root)
    through, halves = tmp_path / "through", tmp_path / "halves"
    rows, _ = run_ranks(_train, 2, root, str(through), None, changes)
    first, _ = run_ranks(_train, 2, root, str(halves), None, {**changes, "run__steps": 2})
    second, _ = run_ranks(_train, 2, root, str(halves), str(halves / "2"), changes)
    assert first + second == rows
    assert {"loss/class", "loss/box", "loss/adv", "target_map"} <= rows[-1].keys()
    expected, found = final_state(through / "4"), final_state(halves / "4")
    assert expected.keys() == found.keys()
    assert any(name.startswith("detector.safetensors/") for name in expected)
    assert any(name.startswith("engines/discriminator0/") for name in expected)
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key


def test_one_rank_finds_what_three_find(tmp_path: Path) -> None:
    """Before anything is learnt: eleven images, which three ranks have unequal parts of."""
    root = str(tmp_path / "data")
    write_boxed_shards(root, num_samples=9)
    still = {
        "optimizer__segmenter_lr": 1e-30,
        "optimizer__weight_decay": 0.0,
        "run__steps": 1,
        "engine__kind": "local",
    }
    (alone,) = run_ranks(_train, 1, root, str(tmp_path / "one"), None, still)
    three = run_ranks(_train, 3, root, str(tmp_path / "three"), None, still)
    (expected,) = (row["last"] for row in alone)
    assert expected["images"] == 11
    for (row,) in three:
        found = row["last"]
        assert found.keys() == expected.keys()
        exact = ("map", "map50", "map75", "voc_ap50", "per_class", "images", "boxes", "detections")
        assert {name: found[name] for name in exact} == {name: expected[name] for name in exact}
        for name in ("mean_entropy", "information_maximisation", "diversity"):
            assert found[name] == pytest.approx(expected[name], abs=1e-6)
