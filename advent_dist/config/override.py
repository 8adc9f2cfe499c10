"""Experiments as data: JSON there and back, and `override` by dotted path.

The sweep, the tests and saved configs use it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from advent_dist.config import Experiment
from advent_dist.errors import ConfigError, DataError
from advent_dist.json_text import json_object

_ONCE_STORED = ("resume", "overwrite")
"""What a call had asked for, in the configs of runs that were made before that was a `Call`."""


def to_json(experiment: Experiment) -> str:
    """The complete config as indented JSON text."""
    return json.dumps(asdict(experiment), indent=2)


def from_json(text: str | bytes, where: str = "config") -> Experiment:
    """The experiment that `to_json` wrote, or that of an export; `where` is named in messages.

    Raises:
        ConfigError: not JSON, an unknown name, or a value of the wrong type or range.
    """
    try:
        tree = json_object(text, where, fix="give a run's config.json")
    except DataError as error:
        raise ConfigError(str(error)) from error
    # An export's config.json has it beside what others need to know of the network.
    inner = tree.get("experiment")
    tree = inner if isinstance(inner, dict) else tree
    run = tree.get("run")
    if isinstance(run, dict):
        for intention in _ONCE_STORED:
            run.pop(intention, None)
    try:
        return _build(tree)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def override(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """A copy of `experiment` with some fields changed.

    Args:
        experiment: What to start from.
        values: Dotted path, such as `method.lambda_adv`, to the new value.

    Raises:
        ConfigError: a path does not exist (with the nearest that do), or a value does not fit.
    """
    tree = asdict(experiment)
    for path, value in values.items():
        *parents, name = path.split(".")
        node: Any = tree
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if not isinstance(node, dict) or name not in node or isinstance(node[name], dict):
            raise _unknown(path, _paths(asdict(experiment)))
        node[name] = value
    return _build(tree)


def _build(tree: dict[str, Any]) -> Experiment:
    try:
        experiment = _adapter().validate_python(tree)
    except ValidationError as error:
        raise _first_error(error, tree) from error
    known = _paths(asdict(experiment))
    for path in _paths(tree):
        if path not in known:
            raise _unknown(path, known)
    return experiment


@cache
def _adapter() -> TypeAdapter[Experiment]:
    return TypeAdapter(Experiment)


def _paths(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted paths of all leaves."""
    paths: list[str] = []
    for name, value in tree.items():
        inner = isinstance(value, Mapping)
        paths += _paths(value, f"{prefix}{name}.") if inner else [prefix + name]
    return paths


def _unknown(path: str, known: list[str]) -> ConfigError:
    near = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return ConfigError(f"there is no config field {path!r}{hint}")


def _first_error(error: ValidationError, tree: Mapping[str, Any]) -> ConfigError:
    """Pydantic's first complaint, in our words where the config's own check made it."""
    first = error.errors()[0]
    own = first.get("ctx", {}).get("error")
    if isinstance(own, ConfigError):
        return own
    if first["type"] == "union_tag_invalid":
        tag, known = first["ctx"]["tag"], first["ctx"]["expected_tags"]
        return ConfigError(f"method.name = {tag!r}: choose from {known}")
    path = _path(first["loc"], tree)
    if first["type"] == "missing" and path.split(".")[-1] == first["loc"][-1]:
        near = difflib.get_close_matches(str(first["loc"][-1]), first["input"], n=1, cutoff=0.75)
        hint = f"; did you mean it by {near[0]!r}?" if near else ""
        return ConfigError(f"{path} is missing{hint}")
    # Of a field with several types each one complains.
    said = [
        one["msg"]
        for one in error.errors()
        if _path(one["loc"], tree) == path and one["input"] == first["input"]
    ]
    return ConfigError(f"{path} = {first['input']!r}: {', or '.join(said)}")


def _path(place: Sequence[str | int], tree: Mapping[str, Any]) -> str:
    """Where pydantic says that it was, as a dotted path in `tree`."""
    section, *names = place
    if section in ("method", "model"):
        names = names[1:]  # the first one chose the config's class
    node: Any = tree
    path = []
    for name in (section, *names):
        # What comes below a leaf is a place in a tuple, or one of several types.
        if not isinstance(node, Mapping):
            break
        path.append(str(name))
        node = node.get(name)
    return ".".join(path)


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Path, such as `optimizer.segmenter_lr`, and value of each field of a config as a tree."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
