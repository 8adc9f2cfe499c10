"""What a training rank does with each row of metrics: into the run folder, and to who watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from cluster.aside import Aside
from cluster.logs import run_label
from cluster.metrics import CHECKPOINT_TIME, RayMetrics
from cluster.observer import Observer

Store = Callable[[dict[str, Any], Path | None, Progress], None]
"""Takes a row and this rank's part of a checkpoint, which it may delete. Collective."""


class Recorder:
    """The `Report` of a rank: rank 0 writes, an observer may end the run."""

    def __init__(
        self, experiment: Experiment, world: World, observer: Observer, store: Store
    ) -> None:
        self._experiment = experiment
        self._world = world
        self._observer = observer
        self._store = store
        self._run = RunFolder.of(experiment)
        self._events: EventLog | None = None
        self._gauges = RayMetrics(run_label(experiment))
        self._aside = Aside()

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
        """See `loop.Report`."""
        if self._world.is_main:
            self._observer.sees(row)
            self._run.append(row)
            with self._aside("TensorBoard"):
                self._event_log(row["step"], progress).append(row)
            with self._aside("Ray's metrics"):
                self._gauges.show(row)
        self._store(row, checkpoint, progress)
        # After the checkpoint, since the summary names those that are there only now.
        stops = False
        if self._world.is_main:
            if checkpoint is not None:
                with self._aside("Ray's metrics"):
                    self._gauges.show({CHECKPOINT_TIME: time.time()})
                self._run.write_summary(self._experiment, progress)
            stops = self._observer.stops(row)
        return self._world.any(stops)

    def close(self) -> None:
        """Close the event file."""
        if self._events is not None:
            with self._aside("TensorBoard"):
                self._events.close()

    def _event_log(self, step: int, progress: Progress) -> EventLog:
        if self._events is None:
            self._events = EventLog(self._run.folder, purge_step=step)
            self._events.note("best checkpoint", f"by {chosen_by(progress.selected_by)}")
            if self._observer.values:
                self._events.describe(self._observer.values, (progress.selected_by, "score"))
        return self._events
