"""A run whose driver is a process of its own, watched from outside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from advent_dist.config import Experiment
from advent_dist.runs.folder import RunFolder
from tests.waiting import wait_until

Rows = list[dict[str, Any]]


class Driver:
    """`advent-dist train` as a command, what it prints, and the folder that it writes."""

    def __init__(self, run: Experiment, log: Path, *, patience_s: float) -> None:
        self.folder = RunFolder.of(run)
        self._log = log
        self._patience_s = patience_s

    def start(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start the run, or go on with it."""
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        """What it has printed since it was last started."""
        return self._log.read_text()

    def rows(self) -> Rows:
        """The metrics so far; rewound when the run starts again."""
        return self.folder.rows()

    def wait_for(self, what: Callable[[Rows], object]) -> None:
        """Until there are rows as expected."""
        wait_until(
            lambda: (rows := self.rows()) and what(rows),
            within_s=self._patience_s,
            running=self._process,
            said=lambda: (self.rows()[-1:], self.said),
        )

    def ends(self) -> int:
        """Wait for its end; its exit status."""
        return self._process.wait(self._patience_s)

    def finish(self, steps: int) -> Rows:
        """Wait for the end of a run of so many steps; all rows, each step once."""
        assert self.ends() == 0, self.said
        rows = self.rows()
        assert [row["step"] for row in rows] == list(range(1, steps + 1))
        return rows

    def kill(self) -> None:
        """End it wherever it is."""
        self._process.kill()
        self._process.wait()
