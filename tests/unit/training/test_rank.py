"""One rank alone, in this process."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from advent_dist.parallel.world import World
from advent_dist.training import checkpoint
from advent_dist.training.progress import Progress
from advent_dist.training.rank import train_rank
from tests.helpers import tiny_run, write_tiny_shards


def _full(*_: Any, **__: Any) -> None:
    raise OSError("no space left on device")


@pytest.mark.parametrize("fails", ["writing", "storing"])
def test_a_checkpoint_that_fails_leaves_nothing_behind(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, local = tmp_path / "data", tmp_path / "local"
    local.mkdir()
    write_tiny_shards(str(root))
    monkeypatch.setattr(tempfile, "tempdir", str(local))
    made: list[str] = []

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        if checkpoint is not None:
            made.extend(file.name for file in checkpoint.iterdir())
            _full()
        return False

    if fails == "writing":
        monkeypatch.setattr(checkpoint, "save_file", _full)
    experiment = tiny_run(str(root), "unused", run__steps=1, engine__kind="local")
    with pytest.raises(OSError, match="no space left"):
        train_rank(experiment, World(), report)
    assert ("run.json" in made) == (fails == "storing")
    assert list(local.glob("advent-dist-checkpoint-*")) == []
