"""A run that is to start again with more workers saves a checkpoint first, and waits there.

the controller:  Wish(group)       ->  is_fulfilled()  ->  starts the run again
rank 0:          Growth.is_asked() ->  saves           ->  Growth.saved(), which waits for that
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError
from ray.train.v2._internal.execution.worker_group import WorkerGroupState

if TYPE_CHECKING:  # PyTorch, which Ray Train's controller does without
    from advent_dist.parallel.world import World

_WAITS_S = 30.0
"""For the end, after the checkpoint; then the run goes on as it was."""

_PAUSE_S = 0.2

_asked, _saved = threading.Event(), threading.Event()
"""In the process of rank 0, in which the controller calls `_ask` beside the training."""


def _ask() -> bool:
    """Ask for a checkpoint; whether it has been saved."""
    _asked.set()
    return _saved.is_set()


class Growth:
    """A rank's side."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._is_due = False

    def is_asked(self) -> bool:
        """Whether a checkpoint is due now, since there is room for more workers. Collective."""
        self._is_due = self._world.any(self._world.is_main and _asked.is_set())
        return self._is_due

    def saved(self) -> None:
        """A checkpoint is stored: if it was asked for, wait for the end after it. Collective."""
        if not self._is_due:
            return
        _saved.set()
        deadline = time.monotonic() + _WAITS_S
        while self._world.any(self._world.is_main and time.monotonic() < deadline):
            time.sleep(_PAUSE_S)
        self._is_due = False
        _asked.clear()
        _saved.clear()


class Wish:
    """The controller's side: a checkpoint of a group of workers, which goes on until then."""

    def __init__(self, group: WorkerGroupState) -> None:
        self._rank_0 = group.workers[0]
        self._answer: Any = self._rank_0.execute_async(_ask)

    def is_fulfilled(self) -> bool:
        """Whether it has been saved; asks again where not, without waiting."""
        answered, _ = ray.wait([self._answer], timeout=0)
        if not answered:
            return False
        try:
            is_saved: bool = ray.get(self._answer)
        except RayError:
            return False  # rank 0 is gone: Ray Train starts the run again for that
        if not is_saved:
            self._answer = self._rank_0.execute_async(_ask)
        return is_saved
