"""Signals while a run trains: each one more ends it harder."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest

from advent_dist.interruption import Interrupted
from cluster.ending import Ending


class _Actor:
    """Answers at once, and counts."""

    def __init__(self, answer: bool = True) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        def remote() -> bool:
            self.asked.append(name)
            return self._answer

        return SimpleNamespace(remote=remote)


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.get", lambda answer, timeout=None: answer)


def test_a_checkpoint_then_the_workers_then_the_driver() -> None:
    board, controller = _Actor(), _Actor()
    ending = Ending(board)
    ending.controller = controller
    ending(signal.SIGINT, None)
    assert (board.asked, controller.asked) == (["end"], [])
    ending(signal.SIGTERM, None)
    assert (board.asked, controller.asked) == (["end"], ["abort"])
    with pytest.raises(Interrupted) as third:  # where the controller hangs
        ending(signal.SIGTERM, None)
    assert third.value.status == 130, "the first signal says why"
    ending.cancel()


def test_what_does_not_train_yet_has_nothing_to_save() -> None:
    controller = _Actor()
    ending = Ending(_Actor(answer=False))
    ending.controller = controller
    ending(signal.SIGTERM, None)
    assert controller.asked == ["abort"]
    with pytest.raises(Interrupted):
        ending.close()


def test_before_there_is_a_controller_the_driver_ends() -> None:
    with pytest.raises(Interrupted):
        Ending(_Actor(answer=False))(signal.SIGINT, None)


def test_a_run_that_nobody_ended_has_no_signal() -> None:
    Ending(_Actor()).close()
