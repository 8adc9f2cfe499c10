"""The progress bar on the driver, fed by rank 0 through an actor."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from advent_dist.config.selection import MEASURES, by_target_labels
from cluster.aside import Aside

_SHOWN = {
    "loss/seg": "seg {:.2f}",
    "loss/class": "class {:.2f}",
    "target_miou": "mIoU {:.1f}",
    "target_map": "mAP {:.1f}",
    "samples_per_s": "{:.1f}/s",
    "data_wait_fraction": "wait {:.0%}",
    "global_batch_size": "batch {}",
}
"""Metric -> how the bar shows it."""


_PATIENCE_S = 10.0
"""For an answer of the board: it may be lost with what else is wrong, and nobody waits for it."""


@ray.remote(num_cpus=0)
class ProgressBoard:
    """Holds the latest row of metrics between the worker that writes and the driver that reads."""

    def __init__(self) -> None:
        self._row: dict[str, Any] = {}
        self._is_training = False
        self._is_to_end = False

    def show(self, row: dict[str, Any]) -> None:
        """Take the newest row; values that it lacks stay as they were."""
        self._row |= row

    def row(self) -> dict[str, Any]:
        """The newest value of each metric."""
        return self._row

    def begin(self) -> None:
        """The first micro-batch has been trained on."""
        self._is_training = True

    def end(self) -> bool:
        """Ask the run to save a checkpoint and to end.

        Returns:
            Whether it is training yet.
        """
        self._is_to_end = True
        return self._is_training

    def is_to_end(self) -> bool:
        """Whether it was asked to."""
        return self._is_to_end


class BoardObserver:
    """Shows a run's rows on a `ProgressBoard`, and ends it when the driver asks for it there."""

    def __init__(self, board: Any) -> None:
        self._board = board
        self._is_to_end = False
        self._aside = Aside()

    @property
    def values(self) -> Mapping[str, Any]:
        """None: there are no siblings."""
        return {}

    def begins(self, rows: list[dict[str, Any]]) -> None:
        """Nothing to do."""

    def steps(self) -> None:
        """Tell the driver that there is something to save."""
        with self._aside("the progress bar"):
            self._board.begin.remote()

    def sees(self, row: dict[str, Any]) -> None:
        """Pass the row on to the driver."""
        with self._aside("the progress bar"):
            self._board.show.remote(row)

    def is_to_end(self) -> bool:
        """Whether the driver wants a checkpoint now, and the end."""
        if not self._is_to_end:
            with self._aside("the driver's wish to end it"):
                answer = self._board.is_to_end.remote()
                self._is_to_end = ray.get(answer, timeout=_PATIENCE_S)
        return self._is_to_end

    def stops(self, row: dict[str, Any]) -> bool:
        """Whether `is_to_end` has said so before this row, which then comes with a checkpoint."""
        return self._is_to_end


def shown(row: Mapping[str, Any], selected_by: str) -> str:
    """What the bar says of a row; what chooses the best checkpoint, where no label does."""
    texts = [text.format(row[key]) for key, text in _SHOWN.items() if key in row]
    if not by_target_labels(selected_by) and selected_by in row:
        measure = MEASURES[selected_by]
        texts.insert(1, f"{measure.short} {measure.text(row[selected_by])} (no labels)")
    return " ".join(texts)


@contextmanager
def progress_bar(board: Any, steps: int, name: str, selected_by: str) -> Iterator[None]:
    """Draw `board`'s newest row with the time that remains, until the block ends.

    Args:
        board: A `ProgressBoard`.
        steps: Optimiser steps of the run.
        name: Of the run.
        selected_by: The measure that chooses its best checkpoint.
    """
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[metrics]}", markup=False),
        console=Console(stderr=True),
    )
    task = progress.add_task(name, total=steps, metrics="starting the workers")
    done = threading.Event()
    aside = Aside()

    def draw() -> None:
        with aside("the progress bar"):
            row = ray.get(board.row.remote(), timeout=_PATIENCE_S)
            if row:
                progress.update(task, completed=row["step"], metrics=shown(row, selected_by))

    def follow() -> None:
        while not done.wait(0.5):
            draw()

    with progress:
        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            draw()
