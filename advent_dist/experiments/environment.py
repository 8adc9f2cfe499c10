"""What a cluster trains when nobody says so, and what it asks of all that is trained on it.

ADVENT_DIST_EXPERIMENT   name of an experiment, NAME.py[:FUNCTION], or path of a run's config.json
ADVENT_DIST_DATA         its `data.root`
ADVENT_DIST_SET          other fields, PATH=VALUE separated by spaces: what the cluster's shape asks
                         for (cluster.gpus_per_worker=1) and where its runs go (run.storage=s3://...)
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from advent_dist.config import Experiment
from advent_dist.config.override import from_json, override
from advent_dist.errors import ConfigError
from advent_dist.experiments import EXPERIMENTS, experiment
from advent_dist.experiments.file import experiment_in_file, is_file

EXPERIMENT, DATA, SET = "ADVENT_DIST_EXPERIMENT", "ADVENT_DIST_DATA", "ADVENT_DIST_SET"

_WORDS = {"none": None, "null": None, "true": True, "false": False}


def surroundings(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Dotted path -> value, of ADVENT_DIST_DATA and ADVENT_DIST_SET.

    Raises:
        ConfigError: ADVENT_DIST_SET is not made of PATH=VALUE.
    """
    try:
        items = shlex.split(environment.get(SET, ""))
    except ValueError as error:
        raise ConfigError(f"{SET}={environment[SET]}: {error}; close its quotes") from error
    root = environment.get(DATA)
    return {**({"data.root": root} if root else {}), **dict(assignment(one, SET) for one in items)}


def assignment(item: str, where: str) -> tuple[str, Any]:
    """Path and value of PATH=VALUE; `where` is for messages.

    The value is read as JSON, or else taken as it is; None, True and False are the words that the
    command line has for them, in any case.

    Raises:
        ConfigError: there is no `=`.
    """
    path, equals, text = item.partition("=")
    if not equals:
        raise ConfigError(f"{where} {item}: give PATH=VALUE")
    if text.casefold() in _WORDS:
        return path, _WORDS[text.casefold()]
    try:
        return path, json.loads(text)
    except ValueError:
        return path, text


def experiment_of(name: str, where: str) -> Experiment:
    """The experiment of that name, or of a run's config.json; `where` is for messages.

    Raises:
        ConfigError: there is no such experiment, or no such file.
    """
    return experiment_in(name, where) if name.endswith(".json") else named(name, where)


def named(name: str, where: str = "") -> Experiment:
    """The experiment of that name, or that of NAME.py[:FUNCTION]; `where` is for messages.

    Raises:
        ConfigError: there is no such experiment, or see `experiment_in_file`.
    """
    if is_file(name):
        return experiment_in_file(name, where)
    if name not in EXPERIMENTS and os.path.isfile(f"{name}.py"):
        raise ConfigError(f"there is no experiment {name!r}; did you mean the file {name}.py?")
    return experiment(name)


def experiment_in(path: str, where: str) -> Experiment:
    """The experiment of a run's config.json, by path or s3:// URL; `where` is for messages.

    Raises:
        ConfigError: there is no such file, or it is no config.
        DataError: storage can't be reached.
    """
    if "://" in path:
        from advent_dist.data.store import open_folder  # here, since names alone need no storage

        folder, _, name = path.rpartition("/")
        return from_json(open_folder(folder).read(name), path)
    try:
        return from_json(Path(path).expanduser().read_bytes(), path)
    except OSError as error:
        fix = "give the path of a run's config.json"
        raise ConfigError(f"{where} {path}: {error.strerror}; {fix}") from error


def named_experiment(environment: Mapping[str, str] = os.environ) -> Experiment | None:
    """The experiment that the environment names, if it does.

    Raises:
        ConfigError: a name or a value in it is wrong.
    """
    name = environment.get(EXPERIMENT)
    if not name:
        return None
    return override(experiment_of(name, EXPERIMENT), surroundings(environment))
