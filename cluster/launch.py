"""From an `Experiment` to a Ray Train run and its `Progress`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import ray.train

from advent_dist.config import Call, ClusterConfig, Experiment, VFMUDAPlusPlusConfig
from advent_dist.config.override import override, to_json
from advent_dist.config.selection import by_target_labels, chosen_by
from advent_dist.data.claim import check_unclaimed, claimed
from advent_dist.data.class_file import class_file_text
from advent_dist.data.classes import ClassSet
from advent_dist.data.store import impatient
from advent_dist.errors import ConfigError, DivergedError
from advent_dist.evaluation.selection import selection_of
from advent_dist.models.weight_folder import weights_in
from advent_dist.runs.classes import classes_of
from advent_dist.runs.folder import SWEEP_FILE, RunFolder
from advent_dist.training.global_batch import allowed_ranks
from advent_dist.training.progress import Progress
from advent_dist.training.scratch import own_folder
from cluster.autoscaled import may_grow
from cluster.board import BoardObserver, ProgressBoard, progress_bar
from cluster.capacity import capacity, idle_head, per_worker, training_nodes
from cluster.capacity import fit as fit_workers
from cluster.connection import ray_cluster
from cluster.device import on_cluster
from cluster.ending import Ending, orderly_ending
from cluster.failures import loss, mistake
from cluster.here import beside_the_driver
from cluster.joining import wait_for_workers
from cluster.observer import Observer
from cluster.process_group import ProcessGroup
from cluster.scaling import ElasticTrainer
from cluster.worker import train_worker


def launch(
    experiment: Experiment, call: Call | None = None, begun: Callable[[], None] | None = None
) -> Progress:
    """Run an experiment on a Ray cluster, the running one or one of this machine's own.

    Args:
        experiment: The whole config.
        call: What is to become of a run that is in the folder; none starts a new one only.
        begun: Called when the folder is this run's: what comes from now on can be gone on with.

    Returns:
        The run's progress at its end.

    Raises:
        ConfigError: the run folder is taken or in use, the encoder unknown, or the cluster too
            small.
        Interrupted: by a signal; with a checkpoint, if there was time.
        UserError: whatever else is wrong with the user's data or config.
        TrainingFailedError: a worker failed otherwise, more than `cluster.max_failures` times.
    """
    # Networks and loaders: seconds of imports, which this module's other users do without.
    from advent_dist.runs.preflight import check
    from cluster.shared import check_shared

    experiment, call = absolute(experiment), call or Call()
    glanced_at = replace(experiment, data=impatient(experiment.data))
    run, glance = RunFolder.of(experiment), RunFolder.of(glanced_at)
    glance.check(experiment, call)
    if not call.force:
        check_unclaimed(glance.folder)
    classes = classes_of(experiment)
    if call.resume:
        glance.check_classes(classes)
    sys.stderr.write(check(experiment, classes).said())
    selected_by = selection_of(glanced_at)
    if not by_target_labels(selected_by):
        sys.stderr.write(f"-- the best checkpoint is that by {chosen_by(selected_by)}\n")
    with ray_cluster(experiment.cluster):
        wait_for_workers()
        trained, device = on_cluster(experiment)
        sys.stderr.write(f"-- {device}\n")
        check_resources(trained)
        check_shared(trained)
        # Not before: what is to be overwritten is lost here.
        with _sweep_claimed(glance), claimed(glance.folder, force=call.force):
            _start(run, experiment, classes, call)
            if begun is not None:
                begun()
            board = ProgressBoard.options(  # type: ignore[attr-defined]
                scheduling_strategy=beside_the_driver()
            ).remote()
            name = experiment.run.name or experiment.name
            with (
                progress_bar(board, experiment.run.steps, name, selected_by),
                orderly_ending(board) as ending,
            ):
                progress = fit(trained, classes, BoardObserver(board), ending)
                if progress.step < experiment.run.steps:
                    ending.close()
                return progress


def _sweep_claimed(run: RunFolder) -> AbstractContextManager[None]:
    """A trial's folder is its sweep's as well: one of them at a time trains there."""
    sweep = run.sweep
    return claimed(sweep) if sweep is not None and sweep.exists(SWEEP_FILE) else nullcontext()


def _start(run: RunFolder, experiment: Experiment, classes: ClassSet, call: Call) -> None:
    """Make the folder that of a new run, or of one that goes on; says what is deleted for it."""
    if call.overwrite:
        run.check(experiment, call)
        if belongings := run.belongings():
            sys.stderr.write(f"-- --overwrite deletes in {run.url}: {', '.join(belongings)}\n")
            run.clear()
    run.start(experiment, call)
    run.write_classes(classes)


def fit(
    experiment: Experiment, classes: ClassSet, observer: Observer, ending: Ending | None = None
) -> Progress:
    """Train on the connected Ray cluster, in workers of this run's own.

    Args:
        experiment: The whole config, with a number of GPUs (`device.on_device`).
        classes: Its classes.
        observer: Watches the run on its rank 0.
        ending: What signals do to it, where they do something.

    Returns:
        The run's progress at its end.

    Raises:
        UserError: something is wrong with the user's data or config, or a loss is not finite.
        TrainingFailedError: a worker failed otherwise, more than `cluster.max_failures` times.
    """
    try:
        head = idle_head(experiment.cluster)
        with own_folder() as records:
            result = build_trainer(experiment, classes, records, observer, head, ending).fit()
    except ray.train.WorkerGroupError as error:
        raise mistake(error) or loss(error, experiment.cluster) or error from None
    returned: dict[str, Any] = result.return_value  # type: ignore[attr-defined]
    if "diverged" in returned:
        raise DivergedError(returned["diverged"])
    return Progress.from_json(returned)


def absolute(experiment: Experiment) -> Experiment:
    """Local paths made absolute: workers do not run where the driver does.

    Of a folder with weights the file in it, since another run may go on and have a later one.

    Raises:
        ConfigError: there are no weights in the folder.
    """
    paths = {
        "data.root": experiment.data.root,
        "run.storage": experiment.run.storage,
        "model.weights": experiment.model.weights,
    }
    if isinstance(experiment.method, VFMUDAPlusPlusConfig):
        paths["method.distill_weights"] = experiment.method.distill_weights
    local = {name: path for name, path in paths.items() if path and not _is_url(path)}
    found = {name: os.path.abspath(os.path.expanduser(path)) for name, path in local.items()}
    weights = found.get("model.weights")
    if weights is not None and os.path.isdir(weights):
        found["model.weights"] = str(weights_in(Path(weights)))
    return override(experiment, found)


def _is_url(path: str) -> bool:
    return "://" in path or path.startswith("pip:")


def build_trainer(
    experiment: Experiment,
    classes: ClassSet,
    records: Path,
    observer: Observer,
    left_out: str | None = None,
    ending: Ending | None = None,
) -> ElasticTrainer:
    """The trainer that runs `experiment`, whose workers keep what is to be kept in its run folder.

    Args:
        experiment: The whole config.
        classes: Its classes.
        records: A folder of this machine for Ray's own, which nobody reads: what Ray writes to
            object storage it neither tries again nor checks.
        observer: Watches the run on its rank 0.
        left_out: Id of a node that trains nothing; None leaves out none.
        ending: What signals do to the run.
    """
    cluster = experiment.cluster
    # The ignored errors: mypy takes Ray Train's first API for its second.
    return ElasticTrainer(
        train_worker,
        experiment=experiment,
        left_out=left_out,
        ending=ending,
        train_loop_config={
            "experiment": to_json(experiment),
            "classes": class_file_text(classes),
            "observer": observer,
        },
        backend_config=ProcessGroup(timeout_s=int(experiment.engine.collective_timeout_s)),
        run_config=ray.train.RunConfig(  # type: ignore[call-arg]
            storage_path=str(records),
            name="run",
            # Of notices of preemption any number: each comes with a checkpoint.
            failure_config=ray.train.FailureConfig(max_failures=cluster.max_failures),
            logging_config=ray.train.LoggingConfig(log_level="CRITICAL"),
            worker_runtime_env=worker_environment(cluster),
        ),
    )


def worker_environment(cluster: ClusterConfig) -> dict[str, Any]:
    """Ray's runtime environment of a worker: the variables of `cluster.environment`.

    From workers that asked for no GPU those of their node are hidden, before PyTorch is there to
    see them: Ray itself hides them no more, and every library would take what it sees.
    """
    variables = dict(variable.split("=", 1) for variable in cluster.environment)
    if "GPU" not in per_worker(cluster):
        variables["CUDA_VISIBLE_DEVICES"] = ""
    return {"env_vars": variables}


def check_resources(experiment: Experiment) -> None:
    """Refuse at once what Ray would wait for forever.

    Raises:
        ConfigError: the connected cluster never has room for so many workers.
    """
    cluster = experiment.cluster
    if cluster.min_workers is not None and idle_head(cluster) is not None:
        # Ray counts what all nodes have, whatever a run's label selector says.
        raise ConfigError(
            "cluster.min_workers: the head has room for workers, which an elastic run can't leave "
            "unused; start it with ray start --head --num-cpus=0 --num-gpus=0, or let it train "
            "(cluster.head_trains)"
        )
    there = capacity(training_nodes(cluster))
    most = max(fit_workers(there.nodes, cluster), fit_workers(there.most, cluster))
    fewest = allowed_ranks(experiment)[0]
    asked = f"workers = {cluster.workers}"
    if cluster.min_workers is not None:
        asked = f"min_workers = {cluster.min_workers}"
        if fewest > cluster.min_workers:
            asked += f", and {fewest} are the fewest that divide the global batch"
    if fewest > most and not may_grow():
        each = " and ".join(f"{amount:g} {one}" for one, amount in per_worker(cluster).items())
        raise ConfigError(
            f"cluster.{asked}: the cluster never has room for more than {most} workers of {each} "
            f"each, placed {cluster.placement}; lower it, ask for less per worker "
            "(cluster.cpus_per_worker, cluster.gpus_per_worker), or add nodes"
        )
