"""The record of a run is written, or the run fails; what only watches it may fail."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from advent_dist.errors import DataError
from advent_dist.parallel.world import World
from advent_dist.runs.folder import METRICS_FILE, RunFolder
from advent_dist.training.progress import Progress
from cluster.board import BoardObserver
from cluster.metrics import RayMetrics
from cluster.recorder import Recorder
from tests.helpers import tiny_run


def _stored(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> None:
    """Ray Train's part."""


def _recorder(tmp_path: Path, **changes: Any) -> tuple[Recorder, RunFolder]:
    experiment = tiny_run("data", str(tmp_path), **changes)
    # No board: each row raises an AttributeError there.
    recorder = Recorder(experiment, World(), BoardObserver(board=None), _stored)
    with recorder.begun(nullcontext)() as latest:
        assert latest is None
    return recorder, RunFolder.of(experiment)


def test_a_run_goes_on_without_who_watches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, run = _recorder(tmp_path, run__name="run")
    # TensorBoard can't make its folder.
    Path(run.url).mkdir()
    Path(run.url, "tensorboard").write_text("in the way")

    def broken(self: RayMetrics, row: dict[str, float]) -> None:
        raise RuntimeError("no metrics agent")

    monkeypatch.setattr(RayMetrics, "show", broken)
    for step in (1, 2):
        assert not recorder({"step": step, "loss/seg": 0.5}, None, Progress(step=step))
    recorder({"step": 3}, Path("a checkpoint"), Progress(step=3))
    recorder.close()
    assert [row["step"] for row in run.rows()] == [1, 2, 3]
    assert run.summary()["step"] == 3


def test_a_record_that_can_t_be_written_ends_the_run(tmp_path: Path) -> None:
    recorder, run = _recorder(tmp_path, run__name="run")
    Path(run.url, METRICS_FILE).mkdir(parents=True)
    with pytest.raises((DataError, OSError)):
        recorder({"step": 1}, None, Progress(step=1))


@pytest.mark.parametrize(
    ("storage", "name"), [("runs", "lauf_für_köln"), ("straßen läufe", "u"), ("実行", "訓練")]
)
def test_names_of_any_letters(tmp_path: Path, storage: str, name: str) -> None:
    """Not even Ray's metrics, which take ASCII only, are lost."""
    recorder, run = _recorder(tmp_path, run__name=name, run__storage=str(tmp_path / storage))
    row = {"step": 1, "loss/seg": 0.5}
    recorder({**row}, None, Progress(step=1))
    recorder._gauges.show(row)
    recorder.close()
    assert run.rows() == [row]
    assert list(Path(run.url, "tensorboard").iterdir())
