"""A checkpoint is whole, or as good as not there."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import CheckpointError, DataError, UnavailableError
from advent_dist.runs.checkpoints import checkpoint_name, files_of, steps_of
from advent_dist.runs.restored import on_this_disk
from advent_dist.training.scratch import own_folder, remove_leftovers
from tests import checkpoint_parts
from tests.checkpoint_parts import latest, store


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    place = str(tmp_path) if request.param == "disk" else f"memory:/{tmp_path}"
    return open_folder(f"{place}/run/checkpoints")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_what_was_stored_comes_back(folder: Folder, temporary: Path) -> None:
    assert latest(folder) is None
    store(folder, 4)
    found = latest(folder)
    assert found is not None
    assert found["engines/segmenter/00000.safetensors"] == b"weights"
    assert set(found) == {"engines/segmenter/00000.safetensors", "rank.pt", "run.json"}
    assert list(temporary.iterdir()) == [], "neither the part nor the copy stays"


def test_the_latest_two_and_the_best_are_kept(folder: Folder) -> None:
    for step in (2, 4, 6, 8):
        store(folder, step, best=2)
    assert steps_of(folder) == [8, 6, 2]
    store(folder, 10, best=10)
    assert steps_of(folder) == [10, 8, 2], "which is the best of 8"
    store(folder, 12, best=10, keep=1)
    assert steps_of(folder) == [12, 10]


@pytest.mark.parametrize("fails", ["upload", "write"])
def test_what_can_not_be_stored_costs_nothing_that_is_there(
    folder: Folder, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(folder, 2)

    def down(*_: Any) -> None:
        raise UnavailableError("503")

    monkeypatch.setattr(Folder, fails, down)
    with pytest.raises(UnavailableError):
        store(folder, 4)
    monkeypatch.undo()
    assert folder.inside(checkpoint_name(4)).exists("run.json") is False
    assert latest(folder) is not None
    assert latest(folder) == latest(folder)
    store(folder, 4)
    assert steps_of(folder) == [4, 2]


def test_files_that_somebody_else_puts_into_one_stay(folder: Folder) -> None:
    store(folder, 2)
    folder.write("step_000002/notes.txt", b"mine")
    folder.write("step_000002/for_mobile/weights.tflite", b"mine")
    for step in (4, 6, 8):
        store(folder, step)
    assert folder.inside(checkpoint_name(2)).walk() == ["for_mobile/weights.tflite", "notes.txt"]
    assert latest(folder) is not None


def test_storage_that_loses_a_file_without_a_word_is_found_out(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(folder, 2)
    real = Folder.upload

    def lossy(self: Folder, name: str, file: Path) -> None:
        if "segmenter" not in name:
            real(self, name, file)

    monkeypatch.setattr(Folder, "upload", lossy)
    with pytest.raises(
        CheckpointError, match=r"step_000004 is no whole checkpoint: engines/.* is missing"
    ):
        store(folder, 4)
    assert folder.inside(checkpoint_name(4)).exists("run.json") is False
    assert folder.inside(checkpoint_name(2)).exists("run.json") is True


def test_leftovers_of_an_attempt_that_was_cut_off_are_cleared(folder: Folder) -> None:
    """Of more ranks, say."""
    folder.write("step_000004/rank_00007.safetensors", b"old")
    folder.write("step_000004/engines/segmenter/00007.safetensors", b"old")
    store(folder, 4)
    found = latest(folder)
    assert found is not None
    assert set(found) == {"engines/segmenter/00000.safetensors", "rank.pt", "run.json"}


def _cut(folder: Folder) -> None:
    folder.write("step_000004/engines/segmenter/00000.safetensors", b"wei")


def _unlisted(folder: Folder) -> None:
    folder.inside("step_000004").remove("run.json")


def _lost(folder: Folder) -> None:
    folder.inside("step_000004/engines/segmenter").remove("00000.safetensors")


def _garbage(folder: Folder) -> None:
    folder.write("step_000004/run.json", b"{")


@pytest.mark.parametrize("damage", [_cut, _unlisted, _lost, _garbage])
def test_a_damaged_one_falls_back_to_the_one_before(
    folder: Folder, damage: Callable[[Folder], None], caplog: pytest.LogCaptureFixture
) -> None:
    store(folder, 2, files={"old": b"2"})
    store(folder, 4)
    damage(folder)
    found = latest(folder)
    assert found is not None
    assert found["old"] == b"2"
    assert "going on from step 2, since " in caplog.text
    assert "step_000004 is no whole checkpoint" in caplog.text


def test_what_can_not_be_reached_is_not_damaged(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the run would go on from an older one, and delete this."""
    store(folder, 2)
    store(folder, 4)

    def down(*_: Any) -> None:
        raise UnavailableError("503")

    monkeypatch.setattr(Folder, "read", down)
    with pytest.raises(UnavailableError):
        latest(folder)


def test_the_best_of_one_that_is_kept_is_kept(folder: Folder) -> None:
    """A run that falls back to it names that one."""
    store(folder, 80, best=80)
    store(folder, 100, best=80)
    store(folder, 200, best=200)
    assert steps_of(folder) == [200, 100, 80]
    store(folder, 300, best=200)
    assert steps_of(folder) == [300, 200]


def test_where_all_are_damaged_nothing_is_begun_anew_in_silence(folder: Folder) -> None:
    store(folder, 4)
    _lost(folder)
    with pytest.raises(CheckpointError, match=r"holds no whole checkpoint .* --overwrite"):
        latest(folder)


def test_a_run_that_was_cut_off_in_its_first_one_begins_anew(folder: Folder) -> None:
    store(folder, 4)
    _unlisted(folder)
    assert latest(folder) is None


@pytest.mark.parametrize("files", [{"../../escaped": 1}, {"/tmp/x": 1}, {"": 1}, ["a"], None, 3])
def test_a_list_of_files_that_leads_elsewhere_is_refused(folder: Folder, files: object) -> None:
    folder.write("step_000004/run.json", json.dumps({"files": files}).encode())
    with pytest.raises(CheckpointError, match=r"lists no files of a checkpoint"):
        files_of(folder.inside("step_000004"))


def test_one_copy_a_machine(temporary: Path) -> None:
    folder = open_folder(f"memory:/{temporary}/once")
    folder.write("a", b"first")
    with on_this_disk(folder, ["a"]) as one:
        folder.write("a", b"second")
        with on_this_disk(folder, ["a"]) as other:
            assert (other / "a").read_bytes() == b"first"
        assert (one / "a").read_bytes() == b"first", "still there for the one that reads it"
    assert list(temporary.iterdir()) == []
    with on_this_disk(folder, ["a"]) as one:
        assert (one / "a").read_bytes() == b"second"


def test_a_full_disk_is_one_message(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    folder = open_folder(f"memory:/{temporary}/full")
    folder.write("a", b"1")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with (
        pytest.raises(DataError, match=r"the disk is full .* TMPDIR"),
        on_this_disk(folder, ["a"]),
    ):
        pytest.fail("there is nothing to read")


def test_a_kill_in_the_middle_leaves_the_last_whole_one(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from advent_dist.data.store import Folder, open_folder
from cluster.background import Background
from tests.checkpoint_parts import store

checkpoints = open_folder(sys.argv[1])
store(checkpoints, 2)
upload = Folder.upload

def hang(self, name, file):
    upload(self, name, file)
    print("on its way", flush=True)
    time.sleep(60)

Folder.upload = hang
background = Background()
background.begin(lambda: store(checkpoints, 4))
background.wait()
"""
    folder = open_folder(str(tmp_path / "checkpoints"))
    process = subprocess.Popen(
        [sys.executable, "-c", program, folder.url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on its way\n"
    process.kill()
    process.communicate()
    assert steps_of(folder) == [4, 2]
    assert latest(folder) is not None
    assert not folder.inside(checkpoint_name(4)).exists("run.json")
    store(folder, 4)
    assert files_of(folder.inside(checkpoint_name(4))).keys() == checkpoint_parts.FILES.keys()


def _holding(temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that has a temporary folder of its own, and has begun to share another one."""
    program = (
        "import sys, tempfile; from advent_dist.training.scratch import *; "
        f"tempfile.tempdir = {str(temporary)!r}; "
        "folder = new_folder(); (folder / 'a').touch(); "
        "shared = shared_folder('ab'); shared.__enter__(); print(folder, flush=True); "
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_killed_processes_left_is_deleted(temporary: Path) -> None:
    """Whatever their numbers are, which other containers may have given to others."""
    process, own = _holding(temporary)
    mine = temporary / "advent-dist-notes"
    mine.mkdir()
    folder = open_folder(f"memory:/{temporary}/left")
    folder.write("a", b"1")
    with own_folder() as alive, on_this_disk(folder, ["a"]) as read:
        kept = {mine, alive.parent, read.parent}
        remove_leftovers()
        assert set(temporary.iterdir()) == {own.parent, temporary / "advent-dist-shared-ab", *kept}
        assert (own / "a").exists()
        process.kill()
        process.communicate()
        remove_leftovers()
        assert set(temporary.iterdir()) == kept
    assert list(temporary.iterdir()) == [mine]


def test_a_folder_that_is_called_like_one_is_not_swept(temporary: Path) -> None:
    for name in ("advent-dist-own-data", "advent-dist-own-abcdefgh", "advent-dist-shared-ab12"):
        (temporary / name).mkdir()
        (temporary / name / "notes.txt").write_text("mine")
    remove_leftovers()
    assert len(list(temporary.rglob("notes.txt"))) == 3


def test_a_folder_is_not_swept_by_those_who_are_quicker(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its making and its lock."""
    real, swept = tempfile.mkdtemp, []

    def make(**arguments: Any) -> str:
        place = real(**arguments)
        if not swept:
            swept.append(place)
            remove_leftovers()
        return place

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    with own_folder() as folder:
        remove_leftovers()
        assert folder.is_dir()
        assert swept
