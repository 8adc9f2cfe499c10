"""Checkpoints of two ranks, stored beside a training."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import UnavailableError
from advent_dist.parallel.meeting import Meeting
from advent_dist.parallel.world import World
from advent_dist.runs.checkpoints import CheckpointStore, checkpoint_name
from advent_dist.training.progress import Progress
from cluster.background import Background
from tests.checkpoint_parts import part
from tests.helpers import run_ranks

SIZES = {"engines/segmenter/00000.safetensors": b"0", "engines/segmenter/00001.safetensors": b"1"}


def _own(step: int, rank: int) -> Path:
    """A rank's part, and on rank 0 the list of both."""
    folder = part(Progress(step=step), SIZES)
    (folder / list(SIZES)[1 - rank]).unlink()
    return folder


def _store_beside(world: World, url: str) -> tuple[bool, float]:
    """While rank 1 is slow to upload, both compute on, with collectives between them."""
    store = CheckpointStore(open_folder(url), world, Meeting(world, 30.0), keep=2)
    stored: list[bool] = []
    goes_on = threading.Event()
    upload = Folder.upload

    def slow(self: Folder, name: str, file: Path) -> None:
        assert goes_on.wait(20)
        upload(self, name, file)

    with pytest.MonkeyPatch.context() as patch:
        if world.rank == 1:
            patch.setattr(Folder, "upload", slow)
        background = Background()
        background.begin(lambda: stored.append(store(_own(4, world.rank), Progress(step=4))))
        total = sum(float(world.sum(torch.ones(3)).sum()) for _ in range(50))
        assert stored == []
        world.barrier()
        goes_on.set()
        background.wait()
    return stored[0], total


def test_a_training_and_its_checkpoint_do_not_wait_for_each_other(tmp_path: Path) -> None:
    assert run_ranks(_store_beside, 2, str(tmp_path)) == [(True, 300.0)] * 2
    assert set(open_folder(str(tmp_path / checkpoint_name(4))).sizes()) == {*SIZES, "run.json"}


def _down(*_: object) -> None:
    raise UnavailableError("503")


def _fail_on(world: World, url: str, failing: int, what: str) -> bool | str:
    store = CheckpointStore(open_folder(url), world, Meeting(world, 30.0), keep=2)

    with pytest.MonkeyPatch.context() as patch:
        if world.rank == failing:
            patch.setattr(Folder, what, _down)
        try:
            return store(_own(4, world.rank), Progress(step=4))
        except UnavailableError as error:
            return str(error)


def _fails_while_rank_1_is_gone(world: World, url: str) -> bool | str:
    store = CheckpointStore(open_folder(url), world, Meeting(world, 0.5), keep=2)
    if world.rank == 1:
        return "is gone"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "delete", _down)
        try:
            return store(_own(4, world.rank), Progress(step=4))
        except UnavailableError as error:
            return str(error)


def test_its_own_error_ends_a_rank_whatever_became_of_the_others(tmp_path: Path) -> None:
    assert run_ranks(_fails_while_rank_1_is_gone, 2, str(tmp_path)) == ["503", "is gone"]


@pytest.mark.parametrize(("failing", "what"), [(0, "sizes"), (1, "upload"), (0, "delete")])
def test_a_rank_that_can_not_store_its_part_keeps_no_other_waiting(
    failing: int, what: str, tmp_path: Path
) -> None:
    found = run_ranks(_fail_on, 2, str(tmp_path), failing, what)
    assert found[failing] == "503"
    # What rank 0 has yet to look at when all parts are there, others need not wait for.
    assert found[1 - failing] is (what == "sizes")
    assert not (tmp_path / checkpoint_name(4) / "run.json").exists()


def _meet(world: World) -> list[bool]:
    """Rank 1 comes late, and is the last to leave."""
    meeting = Meeting(world, 30.0)
    found = []
    for says in (False, world.rank == 1, world.rank == 0, False):
        time.sleep(0.1 * world.rank)
        found.append(meeting.any(says))
    return found


def test_all_ranks_hear_what_one_of_them_says() -> None:
    assert run_ranks(_meet, 3) == [[False, True, True, False]] * 3


def test_nothing_is_connected_before_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers are forked, and a GPU is chosen, after a run's store is made."""
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    meeting = Meeting(World(rank=1, size=2), 30.0)
    with pytest.raises(KeyError, match="MASTER_ADDR"):
        meeting.any(False)


def _wait_in_vain(world: World) -> str:
    meeting = Meeting(world, 0.5)
    if world.rank == 1:
        return "does not come"
    try:
        return str(meeting.any(False))
    except dist.DistStoreError as error:
        return type(error).__name__


def test_nobody_waits_for_ever() -> None:
    assert run_ranks(_wait_in_vain, 2) == ["DistStoreError", "does not come"]
