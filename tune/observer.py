"""What a sweep does on rank 0 of a training: score its rows, ask whether to go on."""

from __future__ import annotations

import time
from typing import Any

import ray

from tune.metric import Judge, Metric
from tune.space import Values


class TrialObserver:
    """Watches a trial for its sweep; see `cluster.observer.Observer`."""

    def __init__(
        self, path: str, values: Values, board: Any, metric: Metric, decides: bool = True
    ) -> None:
        self.values = values
        self._path = path
        self._board = board
        self._judge = Judge(metric)
        self._decides = decides
        self._launched_at = time.time()
        self._start_seconds: float | None = None

    def begins(self, rows: list[dict[str, Any]]) -> None:
        """Judge the evaluations before a resumption again: the median needs them.

        The one at the very step that the trial goes on from is told again, which changes nothing
        where it is known: the trial may have been killed before it had an answer, and after the
        last step no other evaluation would follow.
        """
        for row in rows:
            self._judge.sees(row)
        if rows:
            self.stops(rows[-1])

    def steps(self) -> None:
        """Note how long it took to the first step."""
        self._start_seconds = time.time() - self._launched_at

    def sees(self, row: dict[str, Any]) -> None:
        """Add the score."""
        self._judge.sees(row)

    def is_to_end(self) -> bool:
        """Never in the middle of two evaluations: a trial that is interrupted goes on later."""
        return False

    def stops(self, row: dict[str, Any]) -> bool:
        """Whether the trial has collapsed or the scheduler says so."""
        if "score" not in row or not self._decides:
            return False
        evaluation = {
            **row,
            "start_seconds": self._start_seconds,
            "collapse": self._judge.collapse(row),
        }
        return ray.get(self._board.ask.remote(self._path, evaluation)) is not None
