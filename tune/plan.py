"""A sweep that can be run: options put together with the experiment, and checked."""

from __future__ import annotations

import json
import os
import posixpath
import tempfile
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import Any

from advent_dist.config import Experiment
from advent_dist.config.baseline import without_adaptation
from advent_dist.config.override import override
from advent_dist.config.require import require_inside
from advent_dist.config.selection import ACCURACIES, by_target_labels
from advent_dist.data.store import impatient
from advent_dist.errors import ConfigError, MissingError
from advent_dist.evaluation.selection import selection_of
from advent_dist.experiments import EXPERIMENTS
from advent_dist.experiments.environment import EXPERIMENT, assignment, experiment_of, surroundings
from cluster.launch import absolute
from tune.metric import Metric
from tune.options import Options
from tune.space import Space, Values, parse, ready_made

_WHEREABOUTS = {
    "data": ("cache_dir", "cache_gb", "timeout_s", "attempts"),
    "cluster": ("address", "max_failures", "environment", "gpus_per_worker"),
    # The sweep's metric says the same as the third; the last two were fields of runs once.
    "run": ("storage", "name", "select_by", "resume", "overwrite"),
}
"""Fields that do not change what a trial computes: a sweep may be moved, for one."""

_DEFAULT_TRIALS, _DEFAULT_FAILURES = 16, 3

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all trials have in common."""

    options: Options
    """As given."""

    experiment: Experiment
    """The base of every trial: the published point at full length, with absolute paths."""

    given: Experiment | None
    """The experiment of a file before the options had a say, with absolute paths; none of one that
    is built in, whose name finds it again."""

    space: Space
    """What is searched."""

    metric: Metric
    """What decides."""

    grace_steps: int
    """The first rung."""

    time_budget_s: float | None
    """Seconds for the search."""

    warm: bool
    """Whether trials share warm processes.

    Where GPUs are asked for they do not, nor where any are taken (auto): there trials take hours,
    to which half a minute of imports is nothing, and a process of its own frees a device's memory
    for certain. Nor do they where their number may change."""

    @property
    def name(self) -> str:
        """Name of the sweep folder."""
        return self.options.name or f"sweep-{self.experiment.name}"

    @property
    def url(self) -> str:
        """The sweep folder."""
        return posixpath.join(self.experiment.run.storage, self.name)

    @property
    def max_steps(self) -> int:
        """Optimiser steps of a whole trial."""
        return self.experiment.run.steps

    @property
    def num_trials(self) -> int:
        """Trials of the search, the published point among them."""
        options = self.options
        if options.search != "grid":
            return options.num_trials or _DEFAULT_TRIALS
        whole = len(self.space.grid(options.grid_points, options.seed)) + 1
        return min(options.num_trials or whole, whole)

    @property
    def rungs(self) -> list[int]:
        """Steps at which trials are compared."""
        if self.options.scheduler == "none":
            return []
        rungs, step = [], self.grace_steps
        while step < self.max_steps:
            rungs.append(step)
            step *= self.options.reduction_factor
        return rungs

    def training(self, path: str, values: Values) -> Experiment:
        """The experiment of a training in the folder `path` of the sweep."""
        parent, name = posixpath.split(path)
        run = {"run.storage": posixpath.join(self.url, parent), "run.name": name}
        return override(self.experiment, {**values, **run})

    def source_only(self) -> Plan:
        """The same without adaptation."""
        return replace(self, experiment=without_adaptation(self.experiment))

    def identity(self) -> dict[str, Any]:
        """What two sessions of one sweep have in common, as a JSON-able dict."""
        tree = {
            "experiment": what_counts(asdict(self.experiment)),
            "space": self.space.to_json(),
            "search": self.options.search,
            "scheduler": self.options.scheduler,
            "metric": self.metric.to_json(),
            "max_steps": self.max_steps,
            "grace_steps": self.grace_steps,
            "reduction_factor": self.options.reduction_factor,
            "warm_processes": self.warm,
            "seed": self.options.seed,
        }
        same: dict[str, Any] = json.loads(json.dumps(tree))
        return same


def what_counts(experiment: dict[str, Any]) -> dict[str, Any]:
    """An experiment, as JSON has it, without what another host or session may have otherwise."""
    return {
        section: {name: value for name, value in fields.items() if name not in left_out}
        if (left_out := _WHEREABOUTS.get(section))
        else fields
        for section, fields in experiment.items()
    }


def make_plan(options: Options) -> Plan:
    """Put a sweep together, without a look at its shards; see `decided`.

    Raises:
        ConfigError: something in the options is wrong or does not fit the experiment.
    """
    _check_counts(options)
    given = _given(options)
    base = override(given, _changes(options, given))
    grace = options.grace_steps
    if grace is None:
        grace = _grace_steps(options, base)
    base = override(base, {"run.evaluate_every": _evaluate_every(options, base, grace)})
    space = parse(options.space) if options.space else ready_made(base)
    if options.metric != "auto":
        _metric(options, base, options.metric).check(base)
        base = override(base, {"run.select_by": options.metric})
    plan = Plan(
        options=options,
        experiment=absolute(base),
        given=None if named_by(options) in EXPERIMENTS else absolute(given),
        space=space,
        metric=_metric(options, base, base.run.select_by),
        grace_steps=grace,
        time_budget_s=_seconds(options.time_budget),
        warm=not (
            options.fresh_processes or base.cluster.gpus_per_worker or base.cluster.min_workers
        ),
    )
    space.check(plan.experiment)
    if options.search == "optuna":
        space.draw(space.point(plan.experiment))  # Optuna is told of trial 0
    _check_steps(plan)
    if options.mlflow is not None and find_spec("mlflow") is None:
        raise ConfigError(
            f"--mlflow {options.mlflow}: MLflow is missing; pip install mlflow-skinny"
        )
    return plan


def decided(plan: Plan) -> Plan:
    """The plan with the metric that decides, which the shards of `data.evaluation` have a say in.

    Raises:
        ConfigError: target labels are to decide, and there are none; or they decide, and there are
            no other images to report on.
        DataError: the shards can't be reached.
    """
    base, option = plan.experiment, "run.select_by" if plan.options.metric == "auto" else "--metric"
    try:
        name = selection_of(replace(base, data=impatient(base.data)), option)
    except MissingError:
        name = ACCURACIES[
            base.network
        ].target  # a sweep without shards ends soon, and they are what is to be told of
    made = replace(
        plan,
        experiment=override(base, {"run.select_by": name}),
        metric=replace(plan.metric, name=name),
    )
    _check_held_out(made)
    return made


def _metric(options: Options, base: Experiment, name: str) -> Metric:
    """The metric of that name; `auto` stands for target accuracy until it is `decided`."""
    return Metric(
        name=ACCURACIES[base.network].target if name == "auto" else name,
        smoothing=options.smoothing,
        collapse_share=options.collapse_share,
    )


def named_by(options: Options) -> str:
    """What names the experiment: a name, or the path of a file."""
    return options.experiment or os.environ.get(EXPERIMENT) or "streets_advent"


def _given(options: Options) -> Experiment:
    return experiment_of(named_by(options), "--experiment" if options.experiment else EXPERIMENT)


def _changes(options: Options, base: Experiment) -> dict[str, Any]:
    """The fields of all trials that the options change."""
    given = dict(assignment(item, "--set") for item in options.set)
    changes: dict[str, Any] = {**surroundings(), **given}
    workers = options.workers_per_trial or changes.get("cluster.workers") or base.cluster.workers
    chosen = {
        "data.root": options.data,
        "run.storage": options.storage,
        "run.steps": options.max_steps,
        "cluster.workers": workers,
        "cluster.cpus_per_worker": options.cpus_per_trial and options.cpus_per_trial / workers,
        "cluster.address": options.address,
    }
    cached = changes.get("data.cache_dir") or base.data.cache_dir
    root = options.data or changes.get("data.root") or base.data.root
    if "://" in str(root) and cached is None:
        # Every trial reads the same shards.
        chosen["data.cache_dir"] = os.path.join(tempfile.gettempdir(), "advent-dist-cache")
    if options.gpus_per_trial is not None:
        if options.gpus_per_trial % workers:
            raise ConfigError(
                f"--gpus-per-trial {options.gpus_per_trial:g}: each of a trial's {workers} workers "
                f"needs whole GPUs; give 0 or a multiple of {workers}"
            )
        chosen["cluster.gpus_per_worker"] = options.gpus_per_trial / workers
    changes |= {path: value for path, value in chosen.items() if value is not None}
    failures = options.max_failures
    if failures is None:
        failures = changes.get("cluster.max_failures", _DEFAULT_FAILURES)
    if not isinstance(failures, int) or failures < 0:
        raise ConfigError(
            f"cluster.max_failures = {failures}: a trial's are limited; give 0 or more"
        )
    return {**changes, "cluster.max_failures": failures}


def _grace_steps(options: Options, base: Experiment) -> int:
    """The default: about max_steps / reduction_factor^2, in whole evaluations."""
    every = options.evaluate_every or base.run.evaluate_every
    grace = -(-base.run.steps // options.reduction_factor**2)
    rounded = -(-grace // every) * every
    return rounded if rounded < base.run.steps else grace


def _evaluate_every(options: Options, base: Experiment, grace: int) -> int:
    if options.evaluate_every is not None:
        return options.evaluate_every
    own = base.run.evaluate_every
    return own if grace % own == 0 else grace


def _check_steps(plan: Plan) -> None:
    options, every = plan.options, plan.experiment.run.evaluate_every
    horizon = plan.experiment.optimizer.horizon
    if options.reduction_factor < 2:
        raise ConfigError(f"--reduction-factor {options.reduction_factor}: give at least 2")
    if plan.max_steps > horizon:
        raise ConfigError(
            f"--max-steps {plan.max_steps}: the learning rate is 0 from optimizer.horizon = "
            f"{horizon} on; give fewer steps or --set optimizer.horizon={plan.max_steps}"
        )
    if options.scheduler == "none":
        return
    if not 0 < plan.grace_steps < plan.max_steps:
        raise ConfigError(
            f"--grace-steps {plan.grace_steps}: give 1 to {plan.max_steps - 1}, less than the "
            f"{plan.max_steps} steps of a whole trial (--max-steps)"
        )
    if plan.grace_steps % every:
        raise ConfigError(
            f"--evaluate-every {every} does not divide --grace-steps {plan.grace_steps}: trials "
            "could not be compared at the rungs; give a divisor"
        )


def _check_counts(options: Options) -> None:
    least = {
        "num_trials": 1,
        "max_steps": 1,
        "grace_steps": 1,
        "evaluate_every": 1,
        "price_per_hour": 0,
        "grid_points": 2,
        "workers_per_trial": 1,
        "max_concurrent": 1,
        "max_failures": 0,
        "seeds_for_best": 0,
        "keep_checkpoints": 1,
        "seed": 0,
    }
    for name, minimum in least.items():
        value = getattr(options, name)
        if value is not None and value < minimum:
            raise ConfigError(f"--{name.replace('_', '-')} {value}: give at least {minimum}")
    folder = options.name
    if folder is not None and (not folder.strip(".") or "/" in folder):
        raise ConfigError(f"--name {folder!r}: give the plain name of a folder")
    if "@" in (options.mlflow or ""):
        raise ConfigError(
            "--mlflow: credentials belong into MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, not into the URI"
        )
    require_inside("--name", options.name)
    if options.retry_failed and not options.resume:
        raise ConfigError("--retry-failed: a sweep's trials are tried again with --resume; add it")
    if options.resume and options.overwrite:
        raise ConfigError("--resume and --overwrite: give one of the two")


def _check_held_out(plan: Plan) -> None:
    """Labels that choose can't report as well; without labels nothing is lost by it."""
    data, by_labels = plan.experiment.data, by_target_labels(plan.metric.name)
    if plan.options.seeds_for_best and by_labels and data.held_out is None:
        raise ConfigError(
            f"data.held_out: {plan.experiment.name} has no images to report on that are none of "
            f"those that choose (data.evaluation = {data.evaluation!r}); name a folder of others "
            "with --set data.held_out=FOLDER, or leave the final trainings out with "
            "--seeds-for-best 0"
        )


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text[:-1]) * _UNITS_S[text[-1]]
    except (ValueError, KeyError, IndexError):
        seconds = -1.0
    if seconds <= 0:
        raise ConfigError(f"--time-budget {text}: give a number and s, m, h or d, such as 90m")
    return seconds
