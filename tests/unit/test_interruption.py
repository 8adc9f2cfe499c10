"""Signals to end, as one exception."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from advent_dist import cli, interruption
from advent_dist.interruption import Interrupted, held, interruptible, status_of


@pytest.fixture
def default() -> Iterator[None]:
    """Whoever runs the tests, from a script in the background perhaps, may ignore signals."""
    before = [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_is_an_exception_with_its_exit_status(number: int, status: int) -> None:
    # Whoever runs the tests, from a script in the background perhaps, may ignore it.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(Interrupted) as raised, interruptible():
            signal.raise_signal(number)
        assert status_of(raised.value) == status
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_plain_interrupt_is_one_of_the_keyboard() -> None:
    with interruptible():
        pass
    assert status_of(KeyboardInterrupt()) == 130


def test_what_a_process_was_started_to_ignore_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def _held(*numbers: int, then: Exception | None = None) -> list[int]:
    """Signals in a held block; those after which it went on."""
    after = []
    with suppress(Interrupted), interruptible(), held():
        for number in numbers:
            signal.raise_signal(number)
            after.append(number)
        if then is not None:
            raise then
    return after


@pytest.mark.usefixtures("default")
def test_a_held_signal_counts_at_the_end_of_the_block() -> None:
    seen = []
    with interruptible(lambda number, _: seen.append(number)):
        with held():
            signal.raise_signal(signal.SIGTERM)
            assert not seen
        assert seen == [signal.SIGTERM]
    assert _held(signal.SIGTERM, then=ValueError()) == [signal.SIGTERM], "it comes before errors"


@pytest.mark.usefixtures("default")
def test_a_second_signal_is_not_held() -> None:
    assert _held(signal.SIGTERM, signal.SIGINT) == [signal.SIGTERM]


def test_other_threads_change_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def look() -> None:
        with interruptible(), held():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


def test_any_command_ends_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from advent_dist.commands import status

    monkeypatch.setattr(status, "main", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.run(["status", "runs"]) == 143
    assert capsys.readouterr().err == "\nadvent-dist status: stopped\n"


def test_a_program_without_these_handlers_is_killed_by_sigterm() -> None:
    """What the others are measured against."""
    program = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -15


def test_a_plain_interrupt_in_place_of_the_signals_own_has_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Ray raises it where the signal found it at a wait."""
    monkeypatch.setattr(interruption, "_latest", signal.SIGINT)
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert status_of(KeyboardInterrupt()) == 143
