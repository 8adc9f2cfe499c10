"""Where the ranks of all trials and Ray Tune's side of them meet: an actor of the sweep's.

rank 0 of a trial:     ask(path, evaluation)  ->  waits for  ->  why the trial is to end, or None
the trial's function:  next_evaluation(path)  ->  tune.report  ->  answer(path, reason)
the scheduler:         stop(path, reason), in the middle of that
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import ray


@ray.remote(num_cpus=0)
class Board:
    """Evaluations on their way to the scheduler, its decisions on their way back.

    A trial is known by the path of its folder.
    """

    def __init__(self) -> None:
        self._questions: dict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self._answers: dict[str, asyncio.Queue[str | None]] = defaultdict(asyncio.Queue)
        self._stops: dict[str, str] = {}

    async def ask(self, path: str, evaluation: dict[str, Any]) -> str | None:
        """Hand in an evaluation; why the trial is to end after it, if it is."""
        self._questions[path].put_nowait(evaluation)
        return await self._answers[path].get()

    async def next_evaluation(self, path: str) -> dict[str, Any]:
        """The next evaluation that was handed in, when it is."""
        return await self._questions[path].get()

    async def answer(self, path: str, reason: str | None) -> None:
        """Let rank 0 go on, or end for a reason."""
        self._answers[path].put_nowait(reason)

    async def reset(self, path: str) -> None:
        """A new session of a trial starts: forget what an earlier one left unanswered."""
        self._questions.pop(path, None)
        self._answers.pop(path, None)

    async def stop(self, path: str, reason: str) -> None:
        """The trial is to end at its next evaluation."""
        self._stops.setdefault(path, reason)

    async def stop_reason(self, path: str) -> str | None:
        """Why the trial is to end, if it is."""
        return self._stops.get(path)

    async def is_there(self) -> bool:
        """Yes, as long as the sweep is."""
        return True
