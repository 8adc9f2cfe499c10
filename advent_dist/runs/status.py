"""Where the runs below a storage folder stand, read from what they wrote."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from advent_dist.config.run_summary import checked_summary
from advent_dist.config.selection import TARGET_MIOU, accuracy_in
from advent_dist.data.claim import is_claimed
from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import MissingError
from advent_dist.json_text import json_object
from advent_dist.runs.checkpoints import checkpoint_name, latest_whole
from advent_dist.runs.exported import is_export
from advent_dist.runs.folder import (
    CHECKPOINTS,
    CONFIG_FILE,
    FINAL_FILE,
    METRICS_FILE,
    SUMMARY_FILE,
    TRIAL_FILE,
    RunFolder,
)
from advent_dist.training.checkpoint_files import RUN_FILE
from advent_dist.training.progress import Scores

_DEPTH = 4
"""Folders below the storage that are searched: SWEEP/trials/00000 is the deepest that is known."""

_Ended = Literal["stopped", "collapsed", "failed"]

State = Literal["finished", "going", "stale", "interrupted", _Ended]


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """Where one run stands; what it has not written yet is None."""

    name: str
    """Path of the run folder below the storage."""

    state: State
    """`going` while a command works on it, `stale` if that has written nothing for a while, and
    `interrupted` if there is none before the last step; `stopped`, `collapsed` and `failed` are
    trials that their sweep has ended."""

    step: int
    """Optimiser steps of the latest report."""

    steps: int
    """Optimiser steps at which it ends."""

    silent_s: float | None
    """Seconds since the latest report."""

    checkpoint_step: int | None
    """Optimiser steps of the latest checkpoint, from which it can go on."""

    checkpoint_age_s: float | None
    """Seconds since that was written."""

    last_accuracy: float | None
    """Target mIoU, or mAP of a detector, in percent of the latest evaluation; None without target
    labels."""

    best_accuracy: float | None
    """The same of the best one, which flatters where it was chosen."""

    selected_by: str | None
    """The measure that chooses the best evaluation; see `config.selection`."""

    last: float | None
    """Its value of the latest evaluation."""

    best: float | None
    """Its value of the best one."""


def find_runs(storage: str, stale_after_s: float) -> list[RunStatus]:
    """The runs below a folder, those of sweeps too, in the order of their names.

    Args:
        storage: Local folder or s3:// URL, as in `run.storage`; or a run's own.
        stale_after_s: Seconds without a report after which a run counts as stale.

    Raises:
        DataError: the folder can't be reached, or a run's file is damaged.
    """
    top = open_folder(storage)
    files = top.list()  # says by our own words what can't be reached
    if CONFIG_FILE in files and not is_export(top):
        return [_status(top, posixpath.basename(top.url), stale_after_s)]
    return [
        _status(open_folder(posixpath.join(storage, name)), name, stale_after_s)
        for name in _run_names(top, "", _DEPTH)
    ]


def _run_names(top: Folder, below: str, depth: int) -> list[str]:
    names = []
    for path in (top.inside(below) if below else top).folders():
        name = posixpath.join(below, path)
        folder = open_folder(posixpath.join(top.url, name))
        if folder.exists(CONFIG_FILE):
            names += [] if is_export(folder) else [name]
        elif depth > 1:
            names += _run_names(top, name, depth - 1)
    return names


def _status(run: Folder, name: str, stale_after_s: float) -> RunStatus:
    files = run.list()
    where = f"{run.url}/{SUMMARY_FILE}"
    summary = checked_summary(_read(run, SUMMARY_FILE), where) if SUMMARY_FILE in files else {}
    rows = run.read(METRICS_FILE).splitlines() if METRICS_FILE in files else []
    written = METRICS_FILE if rows else CONFIG_FILE
    silent_s = _age_s(run, written)
    state = _state(run, files, summary)
    checkpoint_step, checkpoint_age_s = _latest_checkpoint(run)
    config = _read(run, CONFIG_FILE)
    accuracy = accuracy_in(config).target
    # Earlier versions chose by nothing else.
    selected_by = summary.get("selected_by", TARGET_MIOU)
    return RunStatus(
        name=name,
        state="stale" if state == "going" and silent_s > stale_after_s else state,
        step=json_object(rows[-1], f"{run.url}/{METRICS_FILE}")["step"] if rows else 0,
        steps=config["run"]["steps"],
        silent_s=silent_s if rows else None,
        checkpoint_step=checkpoint_step,
        checkpoint_age_s=checkpoint_age_s,
        last_accuracy=_value(summary, "last", accuracy),
        best_accuracy=_value(summary, "best", accuracy),
        selected_by=selected_by if summary else None,
        last=_value(summary, "last", selected_by),
        best=_value(summary, "best", selected_by),
    )


def _state(run: Folder, files: Collection[str], summary: dict[str, Any]) -> State:
    if summary.get("finished"):
        return "finished"
    if is_claimed(run):
        return "going"
    for name in (TRIAL_FILE, FINAL_FILE):
        if name in files and (ended := _read(run, name).get("state")) in get_args(_Ended):
            return cast("_Ended", ended)
    sweep = RunFolder(run).sweep
    return "going" if sweep is not None and is_claimed(sweep) else "interrupted"


def _latest_checkpoint(run: Folder) -> tuple[int | None, float | None]:
    """Step and age in seconds of the latest checkpoint that is whole."""
    checkpoints = run.inside(CHECKPOINTS)
    step = latest_whole(checkpoints)
    if step is not None:
        with suppress(MissingError):  # the run may delete it while one looks
            return step, _age_s(checkpoints, f"{checkpoint_name(step)}/{RUN_FILE}")
    return None, None


def _age_s(folder: Folder, name: str) -> float:
    return max(time.time() - folder.modified(name), 0.0)


def _value(summary: dict[str, Any], which: str, measure: str) -> float | None:
    found = summary.get(which)
    if not found:
        return None
    return Scores(step=found["step"], target=found["target"], source=found.get("source")).value(
        measure
    )


def _read(run: Folder, name: str) -> dict[str, Any]:
    return json_object(run.read(name), f"{run.url}/{name}")
