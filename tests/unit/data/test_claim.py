"""One command at a time in a folder, on a disk and where nothing can be locked."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from advent_dist.data import claim
from advent_dist.data.claim import PREFIX, check_unclaimed, claimed
from advent_dist.data.claimant import Claimant
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import ConfigError, UnavailableError
from tests.waiting import wait_until


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    place = str(tmp_path) if request.param == "disk" else f"memory:/{tmp_path}"
    return open_folder(f"{place}/run")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "BEAT_S", 0.05)


def _claimant(**changes: Any) -> Claimant:
    """Somebody on another machine."""
    somebody = Claimant(
        id="a" * 32,
        user="ada",
        host="node7",
        pid=4711,
        machine="another",
        started="1",
        since=1.8e9,
        state="holds",
        force=False,
    )
    return replace(somebody, **changes)


def _write(folder: Folder, claimant: Claimant) -> None:
    folder.write(f"{PREFIX}{claimant.id}.json", json.dumps(asdict(claimant)).encode())


def _claims(folder: Folder) -> list[str]:
    return [name for name in folder.list() if name.startswith(PREFIX)]


def test_a_claim_lasts_as_long_as_the_block(folder: Folder) -> None:
    with claimed(folder):
        assert len(_claims(folder)) == 1
        with pytest.raises(ConfigError, match=rf"is in use by process {os.getpid()} of "):
            check_unclaimed(folder)
    check_unclaimed(folder)
    assert folder.list() == []


def test_a_failure_gives_the_folder_back(folder: Folder) -> None:
    with pytest.raises(ZeroDivisionError), claimed(folder):
        raise ZeroDivisionError
    assert folder.list() == []


@pytest.fixture
def renewing(folder: Folder) -> Iterator[None]:
    """Somebody on another machine, who lives."""
    _write(folder, _claimant())
    done = threading.Event()

    def renew() -> None:
        while not done.wait(0.2):
            _write(folder, _claimant())

    thread = threading.Thread(target=renew)
    thread.start()
    yield
    done.set()
    thread.join()


@pytest.mark.usefixtures("renewing")
def test_who_comes_second_is_told_who_is_there(folder: Folder) -> None:
    message = "in use by process 4711 of ada on node7 since 2027-01-15 08:00:00 UTC; .*--force"
    with pytest.raises(ConfigError, match=message), claimed(folder):
        pytest.fail("two at once")
    assert _claims(folder) == [f"{PREFIX}{'a' * 32}.json"], "who was refused leaves nothing"


def test_who_was_killed_with_another_machine_keeps_nobody_out_for_long(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "FRESH_S", 1.5)
    monkeypatch.setattr(claim, "BEAT_S", 0.1)
    _write(folder, _claimant())
    check_unclaimed(folder)
    with claimed(folder):
        assert len(_claims(folder)) == 1


@pytest.mark.usefixtures("quick")
def test_a_claim_that_was_not_renewed_is_nobodys(tmp_path: Path) -> None:
    folder = open_folder(str(tmp_path))
    _write(folder, _claimant())
    os.utime(tmp_path / f"{PREFIX}{'a' * 32}.json", (time.time() - 61,) * 2)
    check_unclaimed(folder)
    with claimed(folder):
        assert len(_claims(folder)) == 1, "what was left behind is tidied up"


def test_a_dead_process_of_this_machine_needs_no_minute(folder: Folder) -> None:
    with claimed(folder):
        mine = Claimant(**json.loads(folder.read(_claims(folder)[0])))
    for gone in ({"pid": 2**22 + 1}, {"started": "0"}):  # no process, and another one
        _write(folder, replace(mine, **gone))
        check_unclaimed(folder)
        with claimed(folder):
            pass
    _write(folder, mine)
    with pytest.raises(ConfigError, match="in use"), claimed(folder):
        pytest.fail("this very process lives")


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"id": 3}', b"\xff"])
def test_what_is_no_claim_is_in_nobodys_way(folder: Folder, text: bytes) -> None:
    folder.write(f"{PREFIX}x.json", text)
    check_unclaimed(folder)
    with claimed(folder):
        pass
    assert folder.read(f"{PREFIX}x.json") == text


def _try(url: str, start: Any, held: Any, most: Any, refused: Any) -> None:
    start.wait()
    try:
        with claimed(open_folder(url)):
            with held.get_lock():
                held.value += 1
                most.value = max(most.value, held.value)
            time.sleep(2.5)
            with held.get_lock():
                held.value -= 1
    except ConfigError:
        with refused.get_lock():
            refused.value += 1


def test_of_several_at_once_one_has_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Event()
    held, most, refused = (context.Value("i", 0) for _ in range(3))
    tries = [
        context.Process(target=_try, args=(f"{tmp_path}/run", start, held, most, refused))
        for _ in range(5)
    ]
    for one in tries:
        one.start()
    start.set()
    for one in tries:
        one.join(30)
        assert one.exitcode == 0
    assert most.value == 1, "never two at a time"
    assert refused.value >= 1
    assert list((tmp_path / "run").iterdir()) == []


@pytest.fixture
def another(folder: Folder, quick: None) -> Iterator[Callable[[], list[str]]]:
    """Somebody else in the folder, who ends when it is taken over; what they heard."""
    heard: list[str] = []
    there, over = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with claimed(folder, on_lost=over.set):
                there.set()
                over.wait(20)
                heard.append(f"{len(_claims(folder))} claims while one ends")
                raise KeyboardInterrupt
        except ConfigError as error:
            heard.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert there.wait(20)
    yield lambda: heard
    thread.join()


def test_force_takes_the_folder_over_when_the_other_has_ended(
    folder: Folder, another: Callable[[], list[str]]
) -> None:
    with claimed(folder, force=True):
        heard = list(another())
        assert len(_claims(folder)) == 1
    assert heard[0] == "2 claims while one ends"
    assert re.search(r"was taken over by process \d+ of .* \(--force\)", heard[1])


@pytest.mark.usefixtures("quick")
def test_who_was_taken_for_dead_notices(folder: Folder) -> None:
    """A machine that slept for an hour, say."""
    lost = threading.Event()
    with claimed(folder, on_lost=lost.set):
        _write(folder, _claimant())
        assert lost.wait(20)
        folder.remove(f"{PREFIX}{'a' * 32}.json")


@pytest.mark.usefixtures("quick")
def test_an_outage_does_not_end_the_one_who_holds(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, tries = threading.Event(), []

    def fails(*_: Any) -> None:
        tries.append(1)
        raise UnavailableError("down")

    with claimed(folder, on_lost=lost.set):
        monkeypatch.setattr(Folder, "write", fails)
        wait_until(lambda: len(tries) > 3, within_s=20)
        monkeypatch.undo()
    assert not lost.is_set()
