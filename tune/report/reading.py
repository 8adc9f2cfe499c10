"""Reads a sweep's folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from advent_dist.data.store import Folder, open_folder
from advent_dist.errors import DataError
from advent_dist.report.record import RunRecord, read_json, read_rows
from advent_dist.runs.folder import FINAL_FILE, SWEEP_FILE, TRIAL_FILE
from tune.folder import EXPERIMENT_FILE, FINALS, TRIALS
from tune.report.record import Final, Sweep, Trial, Which

T = TypeVar("T")

_FORMAT = 1

_SHOWN = 200
"""Characters of a wrong value that a message shows: there are counts of every image."""

_READERS = 8
"""Trials that are read at a time: object storage takes a while for each."""


def read_sweep(url: str) -> Sweep:
    """Read a sweep folder.

    Args:
        url: local folder or s3:// URL.

    Returns:
        The sweep. A trial with a damaged file is left out and named in `unreadable`.

    Raises:
        DataError: it is no sweep folder, or its sweep.json is damaged.
    """
    folder = open_folder(url)
    files = folder.list()
    if SWEEP_FILE not in files:
        raise DataError(
            f"{folder.url} is no sweep folder: it has no {SWEEP_FILE}; give the folder that "
            "tune/search.py wrote, STORAGE/NAME"
        )
    tree = read_json(folder, SWEEP_FILE)
    if tree.get("format") != _FORMAT:
        raise DataError(
            f"{folder.url}/{SWEEP_FILE}: format = {tree.get('format')!r}, but this version reads "
            f"{_FORMAT}; use the version that wrote it"
        )
    unreadable: list[str] = []
    trials = _read_all(folder.inside(TRIALS), _read_trial, unreadable)
    finals = _read_all(folder.inside(FINALS), _read_final, unreadable)
    places = get_args(Which)
    return _build(
        Sweep,
        tree
        | {
            "url": folder.url,
            "given": read_json(folder, EXPERIMENT_FILE) if EXPERIMENT_FILE in files else None,
            "trials": sorted(trials, key=lambda trial: trial.number),
            "finals": sorted(finals, key=lambda one: (places.index(one.which), one.seed)),
            "unreadable": unreadable,
        },
        f"{folder.url}/{SWEEP_FILE}",
    )


def _read_all(folder: Folder, read: Callable[[Folder], T | None], unreadable: list[str]) -> list[T]:
    """What `read` makes of each folder in a folder; damaged ones go to `unreadable`."""

    def attempt(name: str) -> T | None:
        try:
            return read(folder.inside(name))
        except DataError as error:
            unreadable.append(str(error))
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(attempt, folder.folders()))
    return [one for one in found if one is not None]


def _read_trial(folder: Folder) -> Trial | None:
    names = folder.list()
    if TRIAL_FILE not in names:
        return None
    rows = read_rows(folder) if "metrics.jsonl" in names else []
    tree = {name: _finite(value) for name, value in read_json(folder, TRIAL_FILE).items()}
    run = RunRecord(name=str(tree.get("name")), metrics=rows)
    return _build(Trial, tree | {"run": run, "url": folder.url}, f"{folder.url}/{TRIAL_FILE}")


def _finite(value: Any) -> Any:
    """The value, or None for nan and infinity: the score of a trial that collapsed."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_final(folder: Folder) -> Final | None:
    if not folder.exists(FINAL_FILE):
        return None
    tree = read_json(folder, FINAL_FILE)
    return _build(Final, tree | {"url": folder.url}, f"{folder.url}/{FINAL_FILE}")


def _build(kind: type[T], tree: dict[str, Any], where: str) -> T:
    try:
        return TypeAdapter(kind).validate_python(tree)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        found = repr(first["input"])[:_SHOWN]
        raise DataError(f"{where}: {path} = {found}: {first['msg']}") from error
