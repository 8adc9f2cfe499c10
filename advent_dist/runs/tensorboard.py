"""TensorBoard event files in a run folder, wherever that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from advent_dist.data.store import Folder
from advent_dist.training.scratch import new_folder, remove_folder

_FOLDER = "tensorboard"


class EventLog:
    """Writes rows of metrics as scalars. Object storage gets the event file anew each time."""

    def __init__(self, folder: Folder, purge_step: int) -> None:
        self._folder = None if folder.is_local else folder
        self._path = Path(folder.path, _FOLDER) if folder.is_local else new_folder()
        self._writer = SummaryWriter(str(self._path), purge_step=purge_step or None)

    def describe(self, values: Mapping[str, Any], compared: Sequence[str]) -> None:
        """Name the run's hyperparameters, for TensorBoard's table of runs.

        Args:
            values: Dotted config path -> number, text or truth value.
            compared: Metrics that the table shows beside them.
        """
        metrics = dict.fromkeys(compared, 0.0)  # the values come with the rows
        experiment, start, _ = hparams(dict(values), metrics)  # type: ignore[no-untyped-call]
        for summary in (experiment, start):
            writer = self._writer._get_file_writer()  # type: ignore[no-untyped-call]
            writer.add_summary(summary)

    def note(self, name: str, text: str) -> None:
        """Keep a sentence with the run, which TensorBoard shows among its texts."""
        self._writer.add_text(name, text)

    def append(self, *rows: dict[str, Any]) -> None:
        """Add rows; `step` is the x axis."""
        for row in rows:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(name, value, row["step"])
        self._writer.flush()
        if self._folder is not None:
            for path in self._path.iterdir():
                self._folder.write(f"{_FOLDER}/{path.name}", path.read_bytes())

    def close(self) -> None:
        """Close the event file; what is on object storage stays there alone."""
        self._writer.close()
        if self._folder is not None:
            remove_folder(self._path)
