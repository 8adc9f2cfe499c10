"""A configuration as the command that trains it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from advent_dist.config.override import leaves, to_json
from advent_dist.experiments import EXPERIMENTS

_ELSEWHERE = {"run.name", "run.storage", "cluster.address"}
"""Where a run is kept and made is for whoever copies the command to say."""


def train_command(
    experiment: Mapping[str, Any],
    values: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
    config: str = "",
) -> str:
    """The `advent-dist train` command of an experiment.

    Args:
        experiment: resolved config.
        values: dotted path -> value, such as the point of a sweep; all of them are named.
        given: the config that the command starts from; none is the experiment of that name.
        config: path or URL of the file that holds `given`.

    Returns:
        Shell text, a flag a line: `values` first, then what else differs from the experiment of
        that name, or from `given`.
    """
    name = str(experiment["name"])
    if given is not None:
        start, default = ["--config", config], dict(leaves(given))
    else:
        plain = json.loads(to_json(EXPERIMENTS[name]())) if name in EXPERIMENTS else experiment
        start, default = [name], dict(leaves(plain))
    others = {
        path: value
        for path, value in leaves(experiment)
        if path in default
        and value != default[path]
        and path not in _ELSEWHERE
        and path not in values
    }
    lines = [f"advent-dist train {shlex.join(start)}"]
    lines += [_flag(path, value) for path, value in [*values.items(), *others.items()]]
    return " \\\n    ".join(lines)


def _flag(path: str, value: Any) -> str:
    *parents, name = path.replace("_", "-").split(".")
    if isinstance(value, bool):
        return shlex.quote("--" + ".".join([*parents, name if value else f"no-{name}"]))
    words = value if isinstance(value, list | tuple) else [value]
    return shlex.join(["--" + ".".join([*parents, name]), *map(str, words)])
