"""The record of a run is written, or the run fails; what only watches it may fail."""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from advent_dist.data.store import Folder
from advent_dist.errors import DataError, UnavailableError
from advent_dist.parallel.world import World
from advent_dist.runs.folder import METRICS_FILE, RunFolder
from advent_dist.training.progress import Progress, Scores
from advent_dist.training.scratch import new_folder, remove_folder
from cluster.board import BoardObserver
from cluster.metrics import RayMetrics
from cluster.recorder import Recorder, Store
from tests.helpers import tiny_run


def _stored(checkpoint: Path, progress: Progress) -> bool:
    return True


def _recorder(tmp_path: Path, store: Store = _stored, **changes: Any) -> tuple[Recorder, RunFolder]:
    experiment = tiny_run("data", str(tmp_path), **changes)
    # No board: each row raises an AttributeError there.
    recorder = Recorder(experiment, World(), BoardObserver(board=None), store)
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
    recorder.wait()
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


class Slow:
    """Storage that takes each checkpoint when it is let to; may fail then."""

    def __init__(self, error: Exception | None = None) -> None:
        self.may_go_on, self.error = threading.Event(), error
        self.begun: list[int] = []
        self.stored: list[int] = []

    def __call__(self, checkpoint: Path, progress: Progress) -> bool:
        self.begun.append(progress.step)
        assert self.may_go_on.wait(20)
        if self.error is not None:
            raise self.error
        self.stored.append(progress.step)
        return True


CHECKPOINT = Path("a checkpoint")


class Bucket:
    """Object storage that takes each of a run's metrics files when it is let to; may fail then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_go_on = threading.Event()
        self.error: Exception | None = None
        self.taken: list[list[int]] = []
        write = Folder.write

        def slowly(folder: Folder, name: str, content: bytes) -> None:
            if name == METRICS_FILE:
                assert self.may_go_on.wait(20)
                if self.error is not None:
                    raise self.error
                self.taken.append([json.loads(line)["step"] for line in content.splitlines()])
            write(folder, name, content)

        monkeypatch.setattr(Folder, "write", slowly)


def test_rows_are_written_to_a_bucket_beside_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that come meanwhile together; an evaluation, a checkpoint and the end wait for all."""
    bucket = Bucket(monkeypatch)
    recorder, run = _recorder(tmp_path, run__storage=f"memory://{tmp_path}", run__name="run")
    for step in (1, 2, 3):
        recorder({"step": step}, None, Progress(step=step))
    assert bucket.taken == []
    threading.Timer(0.2, bucket.may_go_on.set).start()
    scores = Scores(step=4, target={"live_classes": 3, "mean_entropy": 0.5})
    recorder({"step": 4}, None, Progress(step=4, last=scores))
    assert bucket.taken == [[1], [1, 2, 3, 4]]
    bucket.may_go_on.clear()
    threading.Timer(0.2, bucket.may_go_on.set).start()
    recorder({"step": 5}, CHECKPOINT, Progress(step=5))
    assert bucket.taken[-1] == [1, 2, 3, 4, 5]
    for step in (6, 7):
        recorder({"step": step}, None, Progress(step=step))
    recorder.wait()
    assert [row["step"] for row in run.rows()] == [1, 2, 3, 4, 5, 6, 7]
    recorder({"step": 8}, None, Progress(step=8))
    recorder.close()
    assert [row["step"] for row in run.rows()][-1] == 8
    assert list(run.folder.inside("tensorboard").list())


def test_a_bucket_that_takes_no_rows_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket(monkeypatch)
    bucket.error = UnavailableError("s3://bucket: 503")
    recorder, run = _recorder(tmp_path, run__storage=f"memory://{tmp_path}", run__name="run")
    recorder({"step": 1}, None, Progress(step=1))
    bucket.may_go_on.set()
    recorder._writing._thread.join()  # type: ignore[union-attr]
    with pytest.raises(UnavailableError, match=r"^s3://bucket: 503$"):
        recorder({"step": 2}, None, Progress(step=2))
    bucket.error = None
    recorder.close()
    assert [row["step"] for row in run.rows()] == [1, 2], "which one may learn from"


def test_rows_go_on_while_a_checkpoint_is_stored_which_is_named_after_that(tmp_path: Path) -> None:
    slow = Slow()
    recorder, run = _recorder(tmp_path, slow, run__name="run")
    progress = Progress(step=1)
    recorder({"step": 1}, CHECKPOINT, progress)
    progress.step = 2  # as the loop does
    recorder({"step": 2}, None, progress)
    assert [row["step"] for row in run.rows()] == [1, 2]
    assert (slow.stored, run.folder.exists("summary.json")) == ([], False)
    slow.may_go_on.set()
    recorder.wait()
    assert (slow.stored, run.summary()["step"]) == ([1], 1)


@pytest.mark.parametrize("waits", ["next checkpoint", "evaluation", "wait", "close"])
def test_who_waits_for_a_checkpoint_that_is_being_stored(waits: str, tmp_path: Path) -> None:
    slow = Slow()
    recorder, run = _recorder(tmp_path, slow, run__name="run")
    recorder({"step": 1}, CHECKPOINT, Progress(step=1))
    threading.Timer(0.2, slow.may_go_on.set).start()
    scores = Scores(step=2, target={"live_classes": 3, "mean_entropy": 0.5})
    if waits == "next checkpoint":
        recorder({"step": 2}, CHECKPOINT, Progress(step=2))
        assert 1 in slow.stored, "one at a time"
        recorder.wait()
        assert (slow.begun, run.summary()["step"]) == ([1, 2], 2)
    elif waits == "evaluation":
        recorder({"step": 2}, None, Progress(step=2, last=scores))
    elif waits == "wait":
        recorder.wait()
    else:
        recorder.close()
    assert 1 in slow.stored


@pytest.mark.parametrize("met", ["row", "next checkpoint", "wait"])
def test_what_storing_raises_ends_the_run_as_it_is(met: str, tmp_path: Path) -> None:
    slow = Slow(UnavailableError("s3://bucket: 503"))
    recorder, run = _recorder(tmp_path, slow, run__name="run")
    recorder({"step": 1}, CHECKPOINT, Progress(step=1))
    slow.may_go_on.set()
    recorder._storing._thread.join()  # type: ignore[union-attr]
    checkpoint = CHECKPOINT if met == "next checkpoint" else None
    meet = partial(recorder, {"step": 2}, checkpoint, Progress(step=2))
    with pytest.raises(UnavailableError, match=r"^s3://bucket: 503$"):
        recorder.wait() if met == "wait" else meet()
    assert slow.begun == [1]
    assert not run.folder.exists("summary.json"), "it names no checkpoint that is not there"
    recorder.close()


def test_parts_of_which_one_is_lacking_are_not_named(tmp_path: Path) -> None:
    """Another rank could not store its own, and ends the run."""
    recorder, run = _recorder(tmp_path, lambda *_: False, run__name="run")
    recorder({"step": 1}, CHECKPOINT, Progress(step=1))
    assert not recorder.wait()
    assert not run.folder.exists("summary.json")


def test_a_sweep_hears_of_a_row_once_its_checkpoint_is_whole(tmp_path: Path) -> None:
    """Or it would judge by what a kill takes away again."""
    slow, heard = Slow(), []

    class Judge(BoardObserver):
        def stops(self, row: dict[str, Any]) -> bool:
            heard.append(list(slow.stored))
            return True

    experiment = tiny_run("data", str(tmp_path), run__name="run")
    recorder = Recorder(experiment, World(), Judge(board=None), slow, judged=True)
    threading.Timer(0.2, slow.may_go_on.set).start()
    assert recorder({"step": 1}, CHECKPOINT, Progress(step=1))
    assert heard == [[1]]


def test_a_part_whose_row_can_t_be_written_is_removed(tmp_path: Path) -> None:
    slow = Slow()
    recorder, run = _recorder(tmp_path, slow, run__name="run")
    Path(run.url, METRICS_FILE).mkdir(parents=True)
    part = new_folder()
    with pytest.raises((DataError, OSError)):
        recorder({"step": 1}, part, Progress(step=1))
    assert not part.exists()
    assert slow.begun == []


def test_a_part_on_its_way_stays_whoever_fails_beside_it(tmp_path: Path) -> None:
    slow = Slow()

    class Lost(BoardObserver):
        def stops(self, row: dict[str, Any]) -> bool:
            raise RuntimeError("the sweep is gone")

    experiment = tiny_run("data", str(tmp_path), run__name="run")
    recorder = Recorder(experiment, World(), Lost(board=None), slow)
    part = new_folder()
    with pytest.raises(RuntimeError, match="the sweep is gone"):
        recorder({"step": 1}, part, Progress(step=1))
    assert part.exists()
    slow.may_go_on.set()
    assert recorder.wait()
    remove_folder(part)
