"""sweep.json: what the sweep is and how far it is, always up to date."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from ray.tune import Callback

from advent_dist.config.override import from_json, to_json
from advent_dist.data.classes import ClassSet
from advent_dist.data.store import impatient
from advent_dist.errors import ConfigError
from advent_dist.runs.folder import SWEEP_FILE
from cluster.capacity import per_worker
from tune.folder import EXPERIMENT_FILE, SweepFolder, Trial
from tune.plan import Plan, what_counts

_FORMAT = 1


class SweepRecord(Callback):
    """The sweep's folder and the record in it."""

    def __init__(self, plan: Plan, folder: SweepFolder, tree: dict[str, Any]) -> None:
        self.plan = plan
        self.folder = folder
        self._tree = tree
        self._seconds_before = float(tree["seconds"])
        self._begun_at = time.monotonic()

    @staticmethod
    def check(plan: Plan, classes: ClassSet) -> dict[str, Any] | None:
        """Whether a sweep may have the folder; nothing is changed.

        Returns:
            The record that is there.

        Raises:
            ConfigError: another sweep is there, or none to resume; or files are there
                that no sweep wrote and this one would replace.
            DataError: the storage can't be read.
        """
        folder = SweepFolder(plan.url, impatient(plan.experiment.data))
        known = folder.read(SWEEP_FILE)
        if known is None:
            folder.require_room()
        if plan.options.resume:
            _require_same(known, plan, classes)
        elif known is not None and not plan.options.overwrite:
            raise ConfigError(
                f"{plan.url} holds a sweep already; go on with --resume, replace it with "
                "--overwrite, or choose another --name"
            )
        return known

    @classmethod
    def open(cls, plan: Plan, classes: ClassSet, resume_command: str) -> SweepRecord:
        """Make the folder that of a new sweep, or take up the one in it; says what is deleted.

        Raises:
            ConfigError: see `check`.
            DataError: the storage can't be written.
        """
        known = cls.check(plan, classes)
        folder = SweepFolder(plan.url, plan.experiment.data)
        if known is not None and plan.options.overwrite:
            belongings = folder.belongings()
            sys.stderr.write(f"-- --overwrite deletes in {plan.url}: {', '.join(belongings)}\n")
            folder.clear()
            known = None
        record = cls(plan, folder, _tree(plan, classes, resume_command, known))
        record.write()  # first: whose folder it is, should this end here
        if plan.given is not None:
            folder.write(EXPERIMENT_FILE, asdict(plan.given))
        return record

    @property
    def seconds(self) -> float:
        """Wall seconds over all sessions so far."""
        return self._seconds_before + time.monotonic() - self._begun_at

    def write(self, **changes: Any) -> None:
        """Change the record."""
        self._tree |= {**changes, "seconds": round(self.seconds, 1)}
        self.folder.write(SWEEP_FILE, self._tree)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Until the block ends the sweep runs; then it is finished, or interrupted."""
        status = "interrupted"
        try:
            yield
            status = "finished"
        finally:
            self.write(status=status, ended_at=time.time())

    def decide(self, best: Trial | None) -> None:
        """Note which trial has won."""
        self.write(best=None if best is None else best.id)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """See Ray Tune's `Callback`: after a kill, the time is known up to here."""
        self.write()

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """See Ray Tune's `Callback`: the trial's process could not write its last word itself."""
        record = self.folder.trial(trial.config["number"])
        if record is not None and not record.has_ended:
            reason = "its process died more often than --max-failures allows"
            self.folder.write_trial(replace(record, state="interrupted", reason=reason))


def _tree(
    plan: Plan, classes: ClassSet, resume_command: str, known: dict[str, Any] | None
) -> dict[str, Any]:
    options, cluster, data = plan.options, plan.experiment.cluster, plan.experiment.data
    return {
        "format": _FORMAT,
        "name": plan.name,
        **plan.identity(),
        "classes": asdict(classes),
        "published": plan.space.point(plan.experiment),
        "num_trials": plan.num_trials,
        "rungs": plan.rungs,
        "tune_folder": data.target if data.evaluation is None else data.evaluation,
        "report_folder": data.held_out,
        "workers_per_trial": cluster.workers,
        "cpus_per_trial": cluster.cpus_per_worker * cluster.workers,
        "gpus_per_trial": per_worker(cluster).get("GPU", 0) * cluster.workers,
        "price_per_hour": options.price_per_hour,
        "best": known["best"] if known else None,
        "started_at": known["started_at"] if known else time.time(),
        "ended_at": None,
        "status": "running",
        "seconds": known["seconds"] if known else 0.0,
        "resume_command": resume_command,
    }


def _require_same(known: dict[str, Any] | None, plan: Plan, classes: ClassSet) -> None:
    if known is None:
        raise ConfigError(f"--resume: there is no sweep at {plan.url}; drop it to start one")
    names = known.get("classes", {}).get("names")  # sweeps of old do not say
    if names is not None and names != list(classes.names):
        raise ConfigError(
            f"--resume: the sweep at {plan.url} has the classes {', '.join(names)}, but the shards "
            f"have {', '.join(classes.names)}; give it its shards, or choose another --name"
        )
    for name, now in plan.identity().items():
        then = known.get(name)
        if name == "experiment":
            # As this version reads it: fields that are new since have their defaults.
            read = from_json(json.dumps(then), f"{plan.url}/{SWEEP_FILE}: experiment")
            then = what_counts(json.loads(to_json(read)))
        different = _difference(then, now, name)
        if different is not None:
            path, before, value = different
            raise ConfigError(
                f"--resume: the sweep at {plan.url} has {path} = {json.dumps(before)}, not "
                f"{json.dumps(value)}; resume it with the options it was started with, or choose "
                "another --name"
            )


def _difference(then: Any, now: Any, path: str) -> tuple[str, Any, Any] | None:
    """The first field in which two trees differ, with both values."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in [*now, *(name for name in then if name not in now)]:
            found = _difference(then.get(name), now.get(name), f"{path}.{name}")
            if found is not None:
                return found
        return None
    return None if then == now else (path, then, now)
