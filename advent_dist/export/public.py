"""A run's config as strangers may see it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import PurePosixPath

from advent_dist.config import ClusterConfig, Experiment, MethodConfig, VFMUDAPlusPlusConfig

_SHOWN_PARTS = 2
"""Of the path of a data set that is no relative one."""


def public(experiment: Experiment) -> Experiment:
    """The config without the places of its data, of its outputs and of its machines.

    What is left trains the same model where `data.root` holds the same shards.
    """
    data, model, run, cluster = (
        experiment.data,
        experiment.segmenter,
        experiment.run,
        experiment.cluster,
    )
    evaluation, source_evaluation, held_out = (
        None if folder is None else place(folder)
        for folder in (data.evaluation, data.source_evaluation, data.held_out)
    )
    return replace(
        experiment,
        data=replace(
            data,
            root="data",
            source=place(data.source),
            target=place(data.target),
            evaluation=evaluation,
            source_evaluation=source_evaluation,
            held_out=held_out if held_out != evaluation else None,
            cache_dir=None,
        ),
        model=replace(model, weights=None if model.weights is None else _file(model.weights)),
        method=_method(experiment.method),
        run=replace(run, name=None, storage="runs"),
        cluster=ClusterConfig(workers=cluster.workers, gpus_per_worker=cluster.gpus_per_worker),
    )


def place(folder: str) -> str:
    """A data set's folder: as it is where it is relative, and else the last parts of its path."""
    if "://" not in folder and not os.path.isabs(os.path.expanduser(folder)):
        return folder
    parts = PurePosixPath(folder.partition("://")[2] or folder).parts
    return "/".join([part for part in parts if part != "/"][-_SHOWN_PARTS:])


def _method(method: MethodConfig) -> MethodConfig:
    if isinstance(method, VFMUDAPlusPlusConfig) and method.distill_weights is not None:
        return replace(method, distill_weights=_file(method.distill_weights))
    return method


def _file(weights: str) -> str:
    """`pip:PACKAGE`, or the name of a file or run folder, without where it lies."""
    return weights if weights.startswith("pip:") else PurePosixPath(weights.partition("?")[0]).name
