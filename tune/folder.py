"""The sweep folder: all that a sweep knows, on a disk or on object storage.

STORAGE/NAME/sweep.json         what is searched, how, and how far it is
             experiment.json    the experiment of a file, as it was at the start
             scheduler.json     ASHA's rungs and decisions
             trials/00000/      a run folder a trial, with trial.json
             final/best_seed1/  a run folder a retraining, with final.json
             report.html, ...   see tune.report

Whoever resumes a sweep reads it from here: Ray's own records of it are temporary.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from advent_dist.config import DataConfig
from advent_dist.data.store import Folder, open_folder, own_storage
from advent_dist.errors import ConfigError
from advent_dist.json_text import json_object
from advent_dist.runs.folder import CONFIG_FILE, FINAL_FILE, SWEEP_FILE, TRIAL_FILE, RunFolder
from tune.space import Values

EXPERIMENT_FILE = "experiment.json"
SCHEDULER_FILE = "scheduler.json"
TRIALS = "trials"
FINALS = "final"

_FILES = (
    SWEEP_FILE,
    EXPERIMENT_FILE,
    SCHEDULER_FILE,
    *("report.html", "report.md", "trials.csv", "trials.json"),
)
_TRAININGS = {
    TRIALS: re.compile(r"\d{5,}"),
    FINALS: re.compile(r"(source_only|published|best)_seed\d+"),
}
"""What a sweep writes: nothing else in its folder is ever deleted."""

State = Literal["pending", "running", "interrupted", "finished", "stopped", "collapsed", "failed"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial's record, as in trial.json."""

    number: int
    """0, 1, ... in the order in which they were suggested."""

    values: Values
    """Dotted config path -> value."""

    published: bool = False
    """Whether these are the experiment's own values."""

    state: State = "pending"
    """`stopped` by the scheduler; `interrupted` by an outage, to be resumed; these, `collapsed` and
    `failed` say why in `reason`."""

    reason: str | None = None
    """Why it ended before its last step."""

    stopped_at_rung: int | None = None
    """Step of the rung that it was stopped at."""

    steps: int = 0
    """Optimiser steps, up to the latest evaluation."""

    score: float | None = None
    """The smoothed metric at that evaluation."""

    best_score: float | None = None
    """The best smoothed metric of any evaluation."""

    started_at: float | None = None
    """Unix seconds."""

    ended_at: float | None = None
    """Unix seconds."""

    seconds: float = 0.0
    """Wall seconds of training over all sessions."""

    start_seconds: float | None = None
    """From the latest launch to the end of its first step."""

    @property
    def id(self) -> str:
        """The number as the trial's folder has it."""
        return f"{self.number:05d}"

    @property
    def path(self) -> str:
        """The trial's folder, relative to the sweep's."""
        return f"{TRIALS}/{self.id}"

    @property
    def name(self) -> str:
        """Number and values, for people."""
        values = (f"{path.rsplit('.', 1)[-1]}={value}" for path, value in self.values.items())
        return f"{self.id}_{','.join(values)}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state not in ("pending", "running", "interrupted")

    def to_json(self) -> dict[str, Any]:
        """As in trial.json."""
        return {"id": self.id, "name": self.name, **asdict(self)}

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Trial:
        """What `to_json` gave."""
        return cls(**{name: tree[name] for name in cls.__dataclass_fields__})


class SweepFolder:
    """One sweep's folder."""

    def __init__(self, url: str, data: DataConfig | None = None) -> None:
        self.url = url
        self._data = None if data is None else own_storage(data)

    def open(self, path: str = "") -> Folder:
        """A folder inside of this one; `path` is relative."""
        return open_folder(posixpath.join(self.url, path) if path else self.url, self._data)

    def read(self, name: str, path: str = "") -> dict[str, Any] | None:
        """A JSON file in the folder `path`, or None if it is not there."""
        folder = self.open(path)
        if not folder.exists(name):
            return None
        return json_object(folder.read(name), f"{folder.url}/{name}")

    def write(
        self, name: str, tree: dict[str, Any], path: str = "", indent: int | None = 1
    ) -> None:
        """Write a JSON file; readers see the old one or the new one."""
        self.open(path).write(name, json.dumps(tree, indent=indent).encode())

    def require_room(self) -> None:
        """Refuse a folder in which something else has the name of what a sweep writes.

        Raises:
            ConfigError: something has.
        """
        foreign = [name for name in self.open().list() if name in (*_FILES, CONFIG_FILE)]
        if foreign:
            raise ConfigError(
                f"{self.url}: {', '.join(foreign)} there is not of a sweep, and a sweep would "
                "replace it; choose another --name"
            )

    def belongings(self) -> list[str]:
        """What the sweep here wrote, relative to this folder; folders have a / at the end."""
        trainings = [f"{path}/" for path in self._trainings()]
        return [*(name for name in self.open().list() if name in _FILES), *trainings]

    def clear(self) -> None:
        """Delete what the sweep here wrote, and nothing else."""
        # Downwards: trials are known up to the first gap, so that none is forgotten half-way.
        for path in reversed(self._trainings()):
            self.clear_training(path)
        for parent in _TRAININGS:
            self.open(parent).remove_if_empty()
        folder = self.open()
        # The record goes last: what a killed deletion leaves is still known as a sweep.
        names = (name for name in folder.list() if name in _FILES)
        for name in sorted(names, key=lambda name: name == SWEEP_FILE):
            folder.remove(name)

    def clear_training(self, path: str) -> None:
        """Delete what the training in the folder `path` wrote."""
        folder = self.open(path)
        RunFolder(folder).clear()
        for name in folder.list():
            if name in (TRIAL_FILE, FINAL_FILE):
                folder.remove(name)
        folder.remove_if_empty()

    def _trainings(self) -> list[str]:
        """Folders of trials and retrainings."""
        return [
            f"{parent}/{name}"
            for parent, names in _TRAININGS.items()
            for name in self.open(parent).folders()
            if names.fullmatch(name)
        ]

    def trial(self, number: int) -> Trial | None:
        """The record of a trial, if there is one of that number."""
        tree = self.read(TRIAL_FILE, f"{TRIALS}/{number:05d}")
        return None if tree is None else Trial.from_json(tree)

    def write_trial(self, trial: Trial) -> None:
        """Write a trial's record."""
        self.write(TRIAL_FILE, trial.to_json(), trial.path)

    def trials(self) -> list[Trial]:
        """All trials so far, in order: their numbers have no gap."""
        trials: list[Trial] = []
        while (trial := self.trial(len(trials))) is not None:
            trials.append(trial)
        return trials
