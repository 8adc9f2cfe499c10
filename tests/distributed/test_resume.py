"""Four steps are two steps, a stop, and two steps: to the bit, for every engine."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from advent_dist.config import MICConfig, MICHRDAConfig
from advent_dist.data.class_sets import CAMVID_11
from advent_dist.parallel.world import World
from advent_dist.training.progress import Progress
from advent_dist.training.rank import train_rank
from tests.helpers import run_ranks, tiny_run, write_tiny_shards


def train_through(
    world: World, root: str, kept: str, latest: str | None, changes: dict[str, Any]
) -> list[dict[str, Any]]:
    """The reported rows; each rank's parts of checkpoints are laid together under `kept`."""
    rows: list[dict[str, Any]] = []

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> None:
        rows.append(row)
        if checkpoint is not None:
            shutil.copytree(checkpoint, Path(kept, str(row["step"])), dirs_exist_ok=True)
            shutil.rmtree(checkpoint)

    method, changes = changes.get("method"), {k: v for k, v in changes.items() if k != "method"}
    experiment = tiny_run(root, "unused", **changes)
    if method is not None:
        detail = (32, 32) if isinstance(method, MICHRDAConfig) else None
        model = replace(experiment.model, detail_crop=detail)
        experiment = replace(experiment, method=method, model=model)
    train_rank(experiment, CAMVID_11, world, report, lambda: nullcontext(latest and Path(latest)))
    return rows


def final_state(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint by their file and place in it.

    But for the state of Python's own generator, which no run is seeded by or draws from.
    """
    return {
        f"{path.relative_to(folder).as_posix()}/{name}": value
        for path in sorted(folder.rglob("*.safetensors"))
        for name, value in load_file(path).items()
        if not name.startswith("random/python")
    }


ENGINES: dict[str, dict[str, Any]] = {
    "local": {"engine__kind": "local"},
    **{
        f"zero{stage}": {
            "engine__zero_stage": stage,
            "engine__discriminator_zero_stage": stage,
            "engine__zero3_persistence_threshold": 0,
        }
        for stage in range(4)
    },
}


MIC = {"method": MICConfig(), "data__augment__fda_beta": 0.1}
"""With a teacher, with what its terms draw, and target images that are drawn for the source's."""

HRDA = {"method": MICHRDAConfig(mask_block=16), "model__multi_level": False}
"""With windows of detail, which each rank draws."""


@pytest.mark.parametrize(
    ("name", "more"),
    [*((name, {}) for name in ENGINES), ("local", MIC), ("zero3", MIC), ("zero2", HRDA)],
)
def test_resume_is_exact(name: str, more: dict[str, Any], tmp_path: Path) -> None:
    root, changes = str(tmp_path / "data"), ENGINES[name] | more
    write_tiny_shards(root)
    through, halves = tmp_path / "through", tmp_path / "halves"
    rows, _ = run_ranks(train_through, 2, root, str(through), None, changes)
    first, _ = run_ranks(train_through, 2, root, str(halves), None, {**changes, "run__steps": 2})
    second, _ = run_ranks(train_through, 2, root, str(halves), str(halves / "2"), changes)

    timing = ("samples_per_s", "data_wait_fraction", "step_time_s", "read_mb_per_s")
    for row in (*rows, *first, *second):
        for key in timing:
            row.pop(key)
    assert first + second == rows
    expected, found = final_state(through / "4"), final_state(halves / "4")
    assert expected.keys() == found.keys()
    assert len(expected) > 100
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key
