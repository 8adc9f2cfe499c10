"""The run folder: what a run leaves behind, on a disk or on object storage.

config.json      the resolved config; `advent-dist train --config` runs it again
classes.json     names, colours and subsets of the classes, as a class file
metrics.jsonl    one JSON object a report
summary.json     last and best evaluation, and where their checkpoints are
tensorboard/     the same metrics as event files
checkpoints/     step_000100/ ..., see `checkpoints.py`
panels/          evaluation images with what the run makes of them, for the report
report.html      curves, per-class table, pictures
claim-*.json     who is using the folder, as long as somebody is; see `claim.py`
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from advent_dist.config import Call, Experiment
from advent_dist.config.override import from_json, override, to_json
from advent_dist.config.run_summary import checked_summary
from advent_dist.config.selection import by_target_labels
from advent_dist.data.class_file import class_file_text
from advent_dist.data.classes import ClassSet
from advent_dist.data.store import Folder, open_folder, own_storage
from advent_dist.errors import CheckpointError, ConfigError, DataError, MissingError
from advent_dist.experiments.environment import experiment_in
from advent_dist.json_text import json_object
from advent_dist.parallel.meeting import Meeting
from advent_dist.runs.checkpoints import (
    CheckpointStore,
    checkpoint_name,
    delete_checkpoint,
    files_of,
    latest_whole,
    steps_of,
)
from advent_dist.runs.classes import read_classes, require_agreement
from advent_dist.runs.exported import is_export
from advent_dist.training.checkpoint_files import CLASSES_FILE, WEIGHTS_FILES
from advent_dist.training.progress import Progress
from advent_dist.training.same_run import require_same

if TYPE_CHECKING:  # PyTorch, which most who read a run folder do without
    from torch import Tensor

    from advent_dist.parallel.world import World

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
SUMMARY_FILE = "summary.json"
REPORT_FILE = "report.html"
CHECKPOINTS = "checkpoints"
PANELS = "panels"
SWEEP_FILE = "sweep.json"
"""Of a sweep's folder, which is no run's."""
TRIAL_FILE = "trial.json"
FINAL_FILE = "final.json"
"""Of a sweep's trainings, beside what a run writes: how they ended."""

_OF_SWEEPS = ("trials", "final")
"""Folders in a sweep's that hold run folders."""

_FILES = (CONFIG_FILE, CLASSES_FILE, METRICS_FILE, SUMMARY_FILE, REPORT_FILE)
_FOLDERS = {
    # The files are of Ray Train and of old.
    CHECKPOINTS: re.compile(
        r"step_\d{6,}/|kept\.json|checkpoint_manager_snapshot\.json|\.validate.*"
    ),
    "tensorboard": re.compile(r"events\.out\.tfevents\..*"),
    PANELS: re.compile(r"\d{2}\.png"),
}
"""What a run writes: nothing else in its folder is ever deleted."""


def experiment_of_run(path: str) -> Experiment:
    """The experiment of a config.json; its run is that in the folder where the file lies.

    So a run that was copied or moved goes on where it is. A config that lies beside no run keeps
    the storage and the name that it has.

    Args:
        path: Local path or URL.

    Raises:
        ConfigError: there is no such file, or it is no config.
        DataError: storage can't be reached.
    """
    known = experiment_in(path, "--config")
    if "://" not in path:
        path = os.path.abspath(os.path.expanduser(path))
    url, _, name = path.rpartition("/")
    storage, _, run = url.rpartition("/")
    folder = open_folder(url, own_storage(known.data))
    names = folder.list()
    # Classes are also in what was exported, which is no run.
    begun = METRICS_FILE in names or (CLASSES_FILE in names and not is_export(folder))
    ran = begun or CHECKPOINTS in folder.folders()
    if name != CONFIG_FILE or not ran or storage.endswith(":/") or not run:
        return known
    return override(known, {"run.storage": storage or "/", "run.name": run})


def _is_config(text: bytes) -> bool:
    """Whether a config.json is that of a run, of this version or another one."""
    try:
        return {"name", "data", "method", "run"} <= json_object(text, CONFIG_FILE).keys()
    except DataError:
        return False


class RunFolder:
    """One run's folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._lines: list[str] = []

    @property
    def url(self) -> str:
        """Path or URL."""
        return self.folder.url

    def checkpoint_store(self, experiment: Experiment, world: World) -> CheckpointStore:
        """What keeps the run's checkpoints, on a rank of it, in any one thread."""
        folder = self.folder.inside(CHECKPOINTS)
        meeting = Meeting(world, experiment.engine.collective_timeout_s)
        return CheckpointStore(folder, world, meeting, experiment.run.keep_checkpoints)

    @property
    def sweep(self) -> Folder | None:
        """The folder of the sweep that the run is a training of, if its place is that of one."""
        parent, _, group = posixpath.dirname(self.url).rpartition("/")
        return self.folder.at(parent) if parent and group in _OF_SWEEPS else None

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
        if is_export(run.folder):
            raise ConfigError(
                f"{url} is an export, which has one snapshot and no history; give the folder of "
                "the run that it was made of"
            )
        return run

    def check(self, experiment: Experiment, call: Call) -> None:
        """Whether a run may have the folder; nothing is changed.

        Args:
            experiment: The run's config.
            call: What is to become of the run that is there.

        Raises:
            ConfigError: a run is there and is neither to be resumed nor overwritten, or none is
                there to resume, or it is to end before its last checkpoint; or files are there that
                no run wrote and this one would replace.
            CheckpointError: the run to be resumed is one of other networks or another optimiser.
        """
        files = self.folder.list()
        exists = CONFIG_FILE in files
        self._require_own(files)
        if call.resume and not exists:
            raise ConfigError(
                f"--resume: there is no run at {self.url}; drop it to start one, or give the "
                "run.storage and run.name, or the --config, of the run that you mean"
            )
        if call.resume:
            require_same(self._read(CONFIG_FILE), experiment)
            self._require_steps(experiment.run.steps)
        elif not call.overwrite and (METRICS_FILE in files or self._has_checkpoints()):
            raise ConfigError(
                f"{self.url} holds a run already; go on with --resume, replace it with "
                "--overwrite, or choose another --run.name"
            )

    def _require_steps(self, steps: int) -> None:
        """Refuse to go on to a step that the run has passed: its checkpoint would outlive it."""
        reached = latest_whole(self.folder.inside(CHECKPOINTS))
        if reached is not None and reached > steps:
            raise ConfigError(
                f"run.steps = {steps}: the run at {self.url} has a checkpoint of step {reached}; "
                f"give {reached} or more, or start another by --run.name"
            )

    def _has_checkpoints(self) -> bool:
        """Whether a run would go on here: an interrupted deletion leaves them without metrics."""
        return bool(steps_of(self.folder.inside(CHECKPOINTS)))

    def _require_own(self, files: list[str]) -> None:
        """Refuse a folder in which somebody else's file has the name of one of a run's."""
        if CONFIG_FILE in files:
            is_own = _is_config(self.folder.read(CONFIG_FILE))
            foreign = [] if is_own else [CONFIG_FILE]
        else:
            # A run's config is written first.
            foreign = [name for name in _FILES if name in files]
        foreign += [name for name in files if name == SWEEP_FILE]
        if foreign:
            raise ConfigError(
                f"{self.url}: {', '.join(foreign)} there is not of a run of advent-dist, and a run "
                "would replace it; choose another --run.name"
            )

    def start(self, experiment: Experiment, call: Call) -> None:
        """Write the config of a run that starts or goes on; see `check` for what is refused.

        What is to be overwritten is to be deleted before, by `belongings` and `clear`.
        """
        # Before the config is replaced: what the checkpoints were made with must stay known.
        self.check(experiment, call)
        self.folder.write(CONFIG_FILE, to_json(experiment).encode())

    def check_classes(self, classes: ClassSet) -> None:
        """Whether a run that is to be gone on with has these classes.

        Raises:
            DataError: they are others than those of the shards now.
        """
        require_agreement(self.classes(), self.url, classes, "its data.source")

    def write_classes(self, classes: ClassSet) -> None:
        """Write the classes of a run that starts or goes on, after its config."""
        self.folder.write(CLASSES_FILE, class_file_text(classes).encode())

    def classes(self) -> ClassSet:
        """The classes of the run.

        Raises:
            CheckpointError: they are not known.
        """
        return read_classes(self.folder, self.experiment().data)

    def belongings(self) -> list[str]:
        """What the run here wrote: files, and folders with a / at the end, relative to this one."""
        found = [name for name in self.folder.list() if name in _FILES]
        for folder, names in _FOLDERS.items():
            inner = self.folder.inside(folder)
            there = [*inner.list(), *(f"{name}/" for name in inner.folders())]
            found += [f"{folder}/{name}" for name in there if names.fullmatch(name)]
        return found

    def clear(self) -> None:
        """Delete what the run here wrote, and nothing else."""
        names = self.belongings()
        # The config goes last: what a killed deletion leaves is still known as a run.
        self._delete(sorted(names, key=lambda name: name == CONFIG_FILE))

    def clear_checkpoints(self) -> None:
        """Delete the checkpoints of the run here."""
        self._delete([name for name in self.belongings() if name.startswith(f"{CHECKPOINTS}/")])

    def _delete(self, names: list[str]) -> None:
        for name in names:
            if name.endswith("/"):
                delete_checkpoint(self.folder.inside(name[:-1]))
            else:
                self.folder.remove(name)
        for folder in _FOLDERS:
            self.folder.inside(folder).remove_if_empty()

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

    def append(self, *rows: dict[str, Any]) -> None:
        """Add rows of metrics. The whole file is replaced: objects in a bucket can't grow."""
        self._lines += [json.dumps(row) for row in rows]
        self.folder.write(METRICS_FILE, "".join(line + "\n" for line in self._lines).encode())

    def rows(self) -> list[dict[str, Any]]:
        """The metrics written so far."""
        if not self.folder.exists(METRICS_FILE):
            return []
        return [
            json_object(line, f"{self.url}/{METRICS_FILE}")
            for line in self.folder.read(METRICS_FILE).splitlines()
        ]

    def write_summary(self, experiment: Experiment, progress: Progress) -> None:
        """Write last and best evaluation, and the names of the latest and the best checkpoint.

        `selected_by` says what chose the best one, `target_labels` whether target labels did.

        To be called when a checkpoint has been saved at `progress.step`; the last evaluation may
        have been some steps before.
        """
        scored = {} if progress.best is None else {"best": progress.best.step}
        summary = {
            "experiment": experiment.name,
            "method": experiment.method.name,
            "steps": experiment.run.steps,
            "finished": progress.step == experiment.run.steps,
            **progress.to_json(),
            "target_labels": by_target_labels(progress.selected_by),
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
            DataError: the file holds something else.
        """
        if not self.folder.exists(SUMMARY_FILE):
            raise CheckpointError(
                f"{self.url} has no {SUMMARY_FILE} yet; wait for its first checkpoint"
            )
        return checked_summary(self._read(SUMMARY_FILE), f"{self.url}/{SUMMARY_FILE}")

    def write_panels(self, pngs: Sequence[bytes]) -> None:
        """Write the pictures of the run, as PNG files, in place of those that it had."""
        from advent_dist.pictures import title_of  # numpy and Pillow, which `status` does without

        folder = self.folder.inside(PANELS)
        # By number: the name of a sample is a stranger's, and no path.
        files = {f"{number:02d}.png": png for number, png in enumerate(pngs)}
        for name, png in files.items():
            folder.write(name, png)
        for name in folder.list():
            old = _FOLDERS[PANELS].fullmatch(name) is not None and name not in files
            if old and title_of(folder.read(name)):  # those of a run have one
                folder.remove(name)

    def _read(self, name: str) -> dict[str, Any]:
        return json_object(self.folder.read(name), f"{self.url}/{name}")

    def weights(self, which: str) -> dict[str, Tensor]:
        """The network's state dict of the `last` or the `best` checkpoint, fp32 on the CPU.

        Raises:
            CheckpointError: there is none yet, it is gone, or it is damaged.
        """
        from safetensors.torch import load

        folder = self.folder.inside(self._checkpoint(which))
        try:
            files = files_of(folder)
            name = next((name for name in WEIGHTS_FILES if name in files), WEIGHTS_FILES[0])
            return load(folder.read(name))
        except (CheckpointError, MissingError, SafetensorError) as error:
            raise CheckpointError(
                f"{folder.url}, the {which} checkpoint, can't be read ({error}); copy the whole "
                "run there again, or resume it to save another"
            ) from error

    def step(self, which: str) -> int:
        """The step of the `last` or the `best` checkpoint.

        Raises:
            CheckpointError: there is none yet.
        """
        return int(self._checkpoint(which).rpartition("_")[2])

    def _checkpoint(self, which: str) -> str:
        checkpoint = self.summary().get("checkpoints", {}).get(which)
        if checkpoint is None:
            raise CheckpointError(
                f"{self.url} has no {which} checkpoint yet; wait for its first evaluation"
            )
        if not re.fullmatch(rf"{CHECKPOINTS}/step_\d{{6,}}", str(checkpoint)):
            raise CheckpointError(
                f"{self.url}/{SUMMARY_FILE}: its {which} checkpoint, {checkpoint!r}, is none "
                "of the run's; copy the whole run there again"
            )
        return str(checkpoint)
