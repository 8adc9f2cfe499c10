"""The early end of a run: first a checkpoint where there is time, then its workers go."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import RayError

from advent_dist.interruption import Interrupted, interruptible

GRACE_S = 25.0
"""Seconds for the checkpoint. Slurm and Kubernetes kill what is there after 30."""

_ANSWERS_WITHIN_S = 5.0


class Ending:
    """What Ctrl-C, SIGTERM and SIGHUP do to a run, wherever its workers are.

    The first one has the workers save a checkpoint and end; the second one, or `GRACE_S` later,
    ends them at once.

    Args:
        board: The run's `ProgressBoard`, through which its rank 0 hears of it.
    """

    def __init__(self, board: Any) -> None:
        self._board = board
        self._number: int | None = None
        self._timer: threading.Timer | None = None
        self._is_aborted = False
        self.controller: Any = None
        """Ray Train's actor that runs the workers, once there is one."""

    def __call__(self, number: int, _: object) -> None:
        """A signal's handler."""
        first, self._number = self._number is None, self._number or number
        if not first or not self._ask():
            self._end_now()
            return
        if self._is_aborted:
            return  # by a second one, while the board was asked
        sys.stderr.write("\n-- saving a checkpoint before the end; once more ends it now\n")
        self._timer = threading.Timer(GRACE_S, self._abort)
        self._timer.daemon = True
        self._timer.start()

    def _ask(self) -> bool:
        """Ask the workers for a checkpoint and their end; whether they are training at all."""
        with suppress(RayError):
            return bool(ray.get(self._board.end.remote(), timeout=_ANSWERS_WITHIN_S))
        return False

    def _end_now(self) -> None:
        # Once aborted, there is a controller that does not answer: the driver goes without it.
        if self.controller is None or self._is_aborted:
            assert self._number is not None, "set by the signal"
            raise Interrupted(self._number)
        self._abort()

    def _abort(self) -> None:
        # The controller ends itself with its workers, so that its answer always is an error.
        self._is_aborted = True
        with suppress(RayError):
            ray.get(self.controller.abort.remote(), timeout=_ANSWERS_WITHIN_S)

    def close(self) -> None:
        """The run is over before its last step.

        Raises:
            Interrupted: by a signal.
        """
        if self._number is not None:
            raise Interrupted(self._number)

    def cancel(self) -> None:
        """There is nothing left to end."""
        if self._timer is not None:
            self._timer.cancel()


@contextmanager
def orderly_ending(board: Any) -> Iterator[Ending]:
    """Signals to end go to the `Ending` of a run, until the block ends.

    Raises:
        Interrupted: there was one, and the workers were ended at once.
    """
    ending = Ending(board)
    with interruptible(ending):
        try:
            yield ending
        except RayError:
            ending.close()
            raise
        finally:
            ending.cancel()
