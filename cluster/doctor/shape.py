"""What a cluster file makes of a cluster: as Ray reads it, and large enough for its experiment."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.util import prepare_config, validate_config

from advent_dist.errors import ConfigError, UserError
from advent_dist.experiments.environment import EXPERIMENT, named_experiment
from cluster.autoscaled import largest
from cluster.capacity import Capacity
from cluster.doctor.finding import Finding, failure, warning
from cluster.doctor.resources import judge_resources

Tree = dict[str, Any]

_CHECK = "cluster file"


def judge_shape(cluster: Tree, environment: dict[str, str], path: str) -> list[Finding]:
    """Whether Ray accepts a cluster, and its experiment fits into it at its largest.

    Args:
        cluster: A file of `ray up`, or a RayCluster.
        environment: The variables of its nodes.
        path: Name of the file.
    """
    try:
        config = autoscaling(cluster)
    except Exception as error:  # Ray raises whatever its parsers meet
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return [failure(_CHECK, path, f"Ray refuses it: {first}", "correct it")]
    try:
        experiment = named_experiment(environment)
    except UserError as error:
        return [failure(_CHECK, path, str(error), "correct the variables that the file sets")]
    if experiment is None:
        said = f"it sets no {EXPERIMENT}: scripts will need arguments"
        return [warning(_CHECK, path, said, "export it in setup_commands, or in a ConfigMap")]
    nodes = largest(config)
    if nodes is None:
        return []  # known when the hosts are up
    capacity = Capacity(nodes=nodes, free=nodes)
    return judge_resources(experiment, capacity, "the cluster at its largest")


def autoscaling(cluster: Tree) -> Tree:
    """The cluster as Ray's launcher and autoscaler understand it.

    Raises:
        Exception: of any kind, if they do not.
    """
    if cluster.get("kind") == "RayCluster":
        config: Tree = _derive_autoscaling_config_from_ray_cr(cluster)
        return config
    config = prepare_config(cluster)
    validate_config(config)
    return config


def variables(documents: Sequence[Tree]) -> dict[str, str]:
    """The variables that set-up commands or a ConfigMap give to the nodes.

    Raises:
        ConfigError: a command's quotes are not closed.
    """
    found: dict[str, str] = {}
    for one in documents:
        if one.get("kind") == "ConfigMap":
            found |= one["data"]
        for command in one.get("setup_commands") or []:
            found |= _exported(command)
    return found


def _exported(command: str) -> dict[str, str]:
    """What a command writes into a file of variables."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"setup_commands: {command}: {error}") from error
    found = {}
    for word in words:
        if word.startswith("export "):
            name, _, value = " ".join(shlex.split(word)[1:]).partition("=")
            found[name] = value
    return found
