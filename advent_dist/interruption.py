"""Ctrl-C, SIGTERM and SIGHUP as one exception that ends a command in an orderly way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_latest: int = signal.SIGINT
"""The signal that this process was told to end by most lately."""

Handler = Callable[[int, FrameType | None], None]


class Interrupted(KeyboardInterrupt):
    """The process was told to end.

    Args:
        number: The signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number
        """The exit status that shells have for it: 130 for Ctrl-C, 143 for SIGTERM."""


def status_of(interrupt: KeyboardInterrupt) -> int:
    """The exit status of a command that ends with `interrupt`.

    Ray raises a plain one in its place, where the signal found it at a wait.
    """
    return interrupt.status if isinstance(interrupt, Interrupted) else 128 + _latest


@contextmanager
def interruptible(handler: Handler | None = None) -> Iterator[None]:
    """Until the block ends, signals to end go to `handler`; none raises `Interrupted`.

    A signal that this process was started to ignore (nohup, a job in the background) stays ignored.
    In another thread than the main one, where signals never arrive, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _latest
    _latest = signal.SIGINT
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number, known in before.items() if known is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler or _interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


@contextmanager
def held() -> Iterator[None]:
    """A signal to end that arrives in the block counts when the block ends; a second one, at once.

    For what leaves something behind when it is left half done.
    """
    arrived: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if arrived:
            _interrupt(number, frame)
        arrived.append(number)

    try:
        with interruptible(hold):
            yield
    finally:
        if arrived:
            signal.raise_signal(arrived[0])


def _interrupt(number: int, _: FrameType | None) -> None:
    global _latest
    _latest = number
    raise Interrupted(number)
