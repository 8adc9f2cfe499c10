"""What a training rank does with each row of metrics: into the run folder, and to who watches."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from advent_dist.config import Experiment
from advent_dist.config.selection import chosen_by
from advent_dist.parallel.world import World
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.tensorboard import EventLog
from advent_dist.training.checkpoint import read_progress
from advent_dist.training.progress import Progress
from advent_dist.training.rank import Latest
from advent_dist.training.scratch import removed_on_error
from cluster.aside import Aside
from cluster.background import Background
from cluster.logs import run_label
from cluster.metrics import CHECKPOINT_TIME, RayMetrics
from cluster.observer import Observer

Store = Callable[[Path, Progress], bool]
"""Takes this rank's part of a checkpoint, which it deletes; whether all ranks' are stored.
Collective, in a thread of its own."""


class Recorder:
    """The `Report` of a rank: rank 0 writes, an observer may end the run.

    Checkpoints are stored beside the training, one at a time: the next one, and an evaluation's
    row, wait for it. What storing raises is raised by the next call, or by `wait`.

    So are rows written to object storage, which takes all of them anew each time: those that come
    meanwhile are written together. An evaluation's row, and a checkpoint's, are there when the call
    returns, with all before them.

    Args:
        experiment: The whole config.
        world: This rank.
        observer: Watches the run.
        store: Stores checkpoints.
        judged: Whether the observer judges by what it hears, as a sweep's scheduler does: it hears
            of a row only when its checkpoint is whole, or a run that is killed meanwhile would
            have been judged by what is lost.
    """

    def __init__(
        self,
        experiment: Experiment,
        world: World,
        observer: Observer,
        store: Store,
        *,
        judged: bool = False,
    ) -> None:
        self._experiment = experiment
        self._world = world
        self._observer = observer
        self._store = store
        self._run = RunFolder.of(experiment)
        self._events: EventLog | None = None
        self._gauges = RayMetrics(run_label(experiment))
        self._aside = Aside()
        self._judged = judged
        self._storing, self._writing = Background(), Background()
        self._unwritten: list[dict[str, Any]] = []
        self._is_stored = False

    def begun(self, latest: Latest) -> Latest:
        """The same latest checkpoint, to which the record is put back when it is known."""

        @contextmanager
        def known() -> Iterator[Path | None]:
            with latest() as folder:
                self._begin(folder)
                yield folder

        return known

    def _begin(self, latest: Path | None) -> None:
        """Put the record back to the checkpoint from where the run goes on; None starts it."""
        if not self._world.is_main:
            return
        progress = read_progress(latest) if latest else Progress()
        self._observer.begins(self._run.rewind(progress.step))
        if latest:
            # A run may have ended between the checkpoint and this: at its last step, for good.
            self._run.write_summary(self._experiment, progress)

    def __call__(self, row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        """See `loop.Report`. The checkpoint is stored for sure once `wait` has returned."""
        with removed_on_error(checkpoint):
            evaluated = progress.last is not None and progress.last.step == progress.step
            is_kept = checkpoint is not None or evaluated
            if is_kept:
                self._storing.wait()
            else:
                self._storing.check()
            if self._world.is_main:
                self._record(row, progress)
                if is_kept or self._run.folder.is_local:
                    self._write_all()
        if checkpoint is not None:
            # The loop brings its own progress forward meanwhile.
            self._storing.begin(partial(self._keep, checkpoint, copy.deepcopy(progress)))
            if self._judged:
                self._storing.wait()
        return self._world.any(self._world.is_main and self._observer.stops(row))

    def _record(self, row: dict[str, Any], progress: Progress) -> None:
        self._observer.sees(row)
        with self._aside("TensorBoard"):
            self._open_events(row["step"], progress)
        with self._aside("Ray's metrics"):
            self._gauges.show(row)
        self._unwritten.append(row)
        if not self._writing.is_busy:
            self._begin_writing()

    def _begin_writing(self) -> None:
        self._writing.wait()  # before they are taken: it may raise
        rows, self._unwritten = self._unwritten, []
        self._writing.begin(partial(self._write, rows))

    def _write_all(self) -> None:
        """Wait until all rows are written; what writing them has raised is raised."""
        if self._unwritten:
            self._begin_writing()
        self._writing.wait()

    def _write(self, rows: list[dict[str, Any]]) -> None:
        self._run.append(*rows)
        with self._aside("TensorBoard"):
            if self._events is not None:
                self._events.append(*rows)

    def _keep(self, checkpoint: Path, progress: Progress) -> None:
        """Store a checkpoint, then name it: the summary has those that are there only."""
        self._is_stored = False
        self._is_stored = self._store(checkpoint, progress)
        if self._is_stored and self._world.is_main:
            with self._aside("Ray's metrics"):
                self._gauges.show({CHECKPOINT_TIME: time.time()})
            self._run.write_summary(self._experiment, progress)

    def wait(self) -> bool:
        """Wait until the latest checkpoint is stored, or another rank could not, and all rows are.

        Returns:
            Whether all ranks' parts are stored.

        Raises:
            CheckpointError, DataError: this rank's can't be.
        """
        self._write_all()
        self._storing.wait()
        return self._is_stored

    def close(self) -> None:
        """Wait for what is on its way, whatever else went wrong; close the events."""
        for wait in (self._storing.wait, self._write_all):
            with suppress(Exception):
                wait()
        if self._events is not None:
            with self._aside("TensorBoard"):
                self._events.close()

    def _open_events(self, step: int, progress: Progress) -> None:
        if self._events is None:
            self._events = EventLog(self._run.folder, purge_step=step)
            self._events.note("best checkpoint", f"by {chosen_by(progress.selected_by)}")
            if self._observer.values:
                self._events.describe(self._observer.values, (progress.selected_by, "score"))
