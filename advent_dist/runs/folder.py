"""The run folder: what a run leaves behind, on a disk or on object storage.

config.json      the resolved config; `advent-dist train --config` runs it again
metrics.jsonl    one JSON object a report
summary.json     last and best evaluation, and where their checkpoints are
tensorboard/     the same metrics as event files
checkpoints/     step_000100/ ..., written by Ray Train
panels/          evaluation images with what the run makes of them, for the report
report.html      curves, per-class table, pictures
"""

from __future__ import annotations

import json
import posixpath
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from advent_dist.config import Experiment
from advent_dist.config.override import from_json, to_json
from advent_dist.data.store import Folder, open_folder, own_storage
from advent_dist.errors import CheckpointError, ConfigError, MissingError
from advent_dist.training.checkpoint import WEIGHTS_FILE, require_same
from advent_dist.training.progress import Progress

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
SUMMARY_FILE = "summary.json"
REPORT_FILE = "report.html"
CHECKPOINTS = "checkpoints"


def checkpoint_name(step: int) -> str:
    """Folder name of the checkpoint at a step."""
    return f"step_{step:06d}"


class RunFolder:
    """One run's folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._lines: list[str] = []

    @property
    def url(self) -> str:
        """Path or URL."""
        return self.folder.url

    @classmethod
    def of(cls, experiment: Experiment) -> RunFolder:
        """The folder that an experiment's run belongs into; nothing is created."""
        name = experiment.run.name or experiment.name
        data = own_storage(experiment.data)
        return cls(open_folder(posixpath.join(experiment.run.storage, name), data))

    @classmethod
    def open(cls, url: str) -> RunFolder:
        """An existing run's folder.

        Raises:
            ConfigError: it holds no run.
        """
        run = cls(open_folder(url))
        if not run.folder.exists(CONFIG_FILE):
            raise ConfigError(
                f"{url} is no run folder: it holds no {CONFIG_FILE}; "
                "give a folder that `train` wrote"
            )
        return run

    def check(self, experiment: Experiment) -> bool:
        """Whether a run may claim the folder; nothing is changed.

        Returns:
            Whether there is one.

        Raises:
            ConfigError: a run is there and is neither to be resumed nor overwritten, or none is
                there to resume.
            CheckpointError: the run to be resumed is one of other networks or another optimiser.
        """
        exists = self.folder.exists(CONFIG_FILE)
        run = experiment.run
        if run.resume and not exists:
            raise ConfigError(
                f"run.resume: there is no run at {self.url}; drop --run.resume to start it"
            )
        if run.resume:
            require_same(json.loads(self.folder.read(CONFIG_FILE)), experiment)
        # A run that failed before its first report left nothing to lose.
        elif not (run.overwrite and exists) and self.folder.exists(METRICS_FILE):
            raise ConfigError(
                f"{self.url} holds a run already; go on with --run.resume, replace it with "
                "--run.overwrite, or choose another --run.name"
            )
        return exists

    def start(self, experiment: Experiment) -> None:
        """Claim the folder for a run and write its config.

        Raises:
            ConfigError, CheckpointError: see `check`.
        """
        # Before the config is replaced: what the checkpoints were made with must stay known.
        exists = self.check(experiment)
        if experiment.run.overwrite and exists:
            self.folder.delete()
        self.folder.write(CONFIG_FILE, to_json(experiment).encode())

    def experiment(self) -> Experiment:
        """The config of the run."""
        return from_json(self.folder.read(CONFIG_FILE), f"{self.url}/{CONFIG_FILE}")

    def rewind(self, step: int) -> list[dict[str, Any]]:
        """Forget the metrics after `step`, from where the run goes on.

        Returns:
            Those that remain.
        """
        kept = [row for row in self.rows() if row["step"] <= step]
        self._lines = [json.dumps(row) for row in kept]
        return kept

    def append(self, row: dict[str, Any]) -> None:
        """Add a row of metrics. The whole file is replaced: objects in a bucket can't grow."""
        self._lines.append(json.dumps(row))
        self.folder.write(METRICS_FILE, "".join(line + "\n" for line in self._lines).encode())

    def rows(self) -> list[dict[str, Any]]:
        """The metrics written so far."""
        if not self.folder.exists(METRICS_FILE):
            return []
        return [json.loads(line) for line in self.folder.read(METRICS_FILE).splitlines()]

    def write_summary(self, experiment: Experiment, progress: Progress) -> None:
        """Write last and best evaluation, and the names of the latest and the best checkpoint.

        To be called when a checkpoint has been saved at `progress.step`; the last evaluation may
        have been some steps before.
        """
        scored = {} if progress.best is None else {"best": progress.best.step}
        summary = {
            "experiment": experiment.name,
            "method": experiment.method.name,
            "classes": experiment.data.classes,
            "steps": experiment.run.steps,
            "finished": progress.step == experiment.run.steps,
            **progress.to_json(),
            "checkpoints": {
                name: f"{CHECKPOINTS}/{checkpoint_name(step)}"
                for name, step in {"last": progress.step, **scored}.items()
            },
        }
        self.folder.write(SUMMARY_FILE, json.dumps(summary, indent=1).encode())

    def summary(self) -> dict[str, Any]:
        """What `write_summary` wrote.

        Raises:
            CheckpointError: the run has saved no checkpoint yet.
        """
        if not self.folder.exists(SUMMARY_FILE):
            raise CheckpointError(
                f"{self.url} has no {SUMMARY_FILE} yet; wait for its first checkpoint"
            )
        summary: dict[str, Any] = json.loads(self.folder.read(SUMMARY_FILE))
        return summary

    def weights(self, which: str) -> dict[str, Tensor]:
        """The segmenter's state dict of the `last` or the `best` checkpoint, fp32 on the CPU.

        Raises:
            CheckpointError: there is none yet, it is gone, or it is damaged.
        """
        checkpoint = self.summary()["checkpoints"].get(which)
        if checkpoint is None:
            raise CheckpointError(
                f"{self.url} has no {which} checkpoint yet; wait for its first evaluation"
            )
        name = f"{checkpoint}/{WEIGHTS_FILE}"
        try:
            return safetensors.torch.load(self.folder.read(name))
        except (MissingError, SafetensorError) as error:
            raise CheckpointError(
                f"{self.url}/{name}, the {which} checkpoint's weights, can't be read ({error}); "
                "copy the whole run there again, or resume it to save another"
            ) from error
