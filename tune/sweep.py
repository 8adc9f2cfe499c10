"""A sweep from its plan to its report."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ray
import ray.tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from advent_dist.data.claim import check_unclaimed, claimed
from advent_dist.data.store import impatient
from advent_dist.errors import UserError
from advent_dist.interruption import interruptible
from advent_dist.runs.classes import classes_of
from advent_dist.runs.preflight import check
from advent_dist.training.scratch import own_folder
from cluster.connection import ray_cluster
from cluster.device import on_cluster
from cluster.here import beside_the_driver
from cluster.joining import wait_for_workers
from cluster.shared import check_shared
from tune.board import Board
from tune.candidates import Candidates
from tune.finals import FinalCandidates, finals_of, run_final, winner
from tune.folder import SweepFolder
from tune.live import LiveTable
from tune.plan import Plan, decided
from tune.prune import CheckpointPruner
from tune.record import SweepRecord
from tune.resources import max_concurrent, of_trial
from tune.scheduler import Asha, stopper
from tune.tracking import MLflowRuns, tracking
from tune.trial import Sweep, run_trial


def run_sweep(plan: Plan, resume_command: str) -> SweepRecord:
    """Search, train the winner and what it is compared with, and keep the folder up to date.

    Args:
        plan: The sweep, `decided` or not.
        resume_command: What to type to go on after an interruption.

    Returns:
        The sweep's record at its end.

    Raises:
        UserError: one clear message, before any trial starts, or if all trials failed, or some
            were interrupted and are to be resumed.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, when the folder says so; nobody else uses it then.
    """
    plan = decided(plan)
    classes = classes_of(plan.experiment)
    sys.stderr.write(check(plan.experiment, classes).said())
    SweepRecord.check(plan, classes)
    if not plan.options.force:
        check_unclaimed(SweepFolder(plan.url, impatient(plan.experiment.data)).open())
    loggers = tracking(plan)
    with _ray_tune(plan):
        wait_for_workers()
        experiment, device = on_cluster(plan.experiment)
        sys.stderr.write(f"-- {device}\n")
        plan = replace(plan, experiment=experiment)
        concurrent = max_concurrent(plan)
        check_shared(plan.experiment)
        # Not before: what is to be overwritten is lost here.
        folder = SweepFolder(plan.url, impatient(plan.experiment.data)).open()
        with claimed(folder, force=plan.options.force):
            record = SweepRecord.open(plan, classes, resume_command)
            # Said at once, since nobody is left to say it when the machine is lost.
            sys.stderr.write(f"-- after an interruption go on with: {resume_command}\n")
            with record.session(), _board() as board:
                sweep = Sweep(plan=plan, classes=classes, board=board)
                _run(sweep, record, concurrent, loggers)
    return record


@contextmanager
def _board() -> Iterator[Any]:
    """A board for one sweep. Ray Tune keeps what refers to it as long as the driver lives."""
    board = Board.options(  # type: ignore[attr-defined]
        scheduling_strategy=beside_the_driver()
    ).remote()
    try:
        yield board
    finally:
        ray.kill(board)


def _run(sweep: Sweep, record: SweepRecord, concurrent: int, loggers: list[MLflowRuns]) -> None:
    """The search, and the final trainings."""
    plan = sweep.plan
    _search(sweep, record, concurrent, loggers)
    trials = record.folder.trials()
    if not trials:
        raise UserError(
            f"--time-budget {plan.options.time_budget} was used up before the first trial; "
            "resume with a longer one"
        )
    best = winner(trials, plan.metric)
    record.decide(best)
    if all(trial.state == "failed" for trial in trials):
        raise UserError(f"all {len(trials)} trials failed; the first one: {trials[0].reason}")
    interrupted = [trial for trial in trials if trial.state == "interrupted"]
    if plan.options.seeds_for_best and (best is not None or not interrupted):
        finals = FinalCandidates(finals_of(plan, best), record.folder)
        in_order = FIFOScheduler()  # type: ignore[no-untyped-call]
        _fit(plan, lambda config: run_final(config, sweep), finals, in_order, concurrent)
    if interrupted:
        raise UserError(
            f"{len(interrupted)} of {len(trials)} trials were interrupted, the first one: "
            f"{interrupted[0].reason}; the same command with --resume goes on with them"
        )


def _search(sweep: Sweep, record: SweepRecord, concurrent: int, loggers: list[MLflowRuns]) -> None:
    plan, deadline = sweep.plan, None
    if plan.time_budget_s is not None:
        deadline = time.time() + plan.time_budget_s - record.seconds
    candidates = Candidates(plan, record.folder, deadline)
    scheduler: TrialScheduler = FIFOScheduler()  # type: ignore[no-untyped-call]
    if plan.options.scheduler == "asha":
        scheduler = Asha(plan, record.folder, stopper(sweep.board))
    sweep = replace(sweep, deadline=deadline)
    live = LiveTable(plan, record.folder, candidates.num_trials)
    pruner = CheckpointPruner(plan, record.folder)
    try:
        _fit(
            plan,
            lambda config: run_trial(config, sweep),
            candidates,
            scheduler,
            concurrent,
            callbacks=[record, pruner, live, *loggers],
        )
    finally:
        live.close()


def _fit(
    plan: Plan,
    function: Callable[[dict[str, Any]], None],
    candidates: Candidates | FinalCandidates,
    scheduler: TrialScheduler,
    concurrent: int,
    callbacks: list[ray.tune.Callback] | None = None,
) -> None:
    """Have Ray Tune run `function` on all candidates."""
    if not candidates.num_trials:
        return
    function.__name__ = plan.experiment.name  # as Ray's dashboard shows it
    # Ray Tune's own records, which nobody reads: a fault in storing them would end the sweep.
    with own_folder() as records:
        tuner = ray.tune.Tuner(
            ray.tune.with_resources(function, of_trial(plan)),
            tune_config=ray.tune.TuneConfig(
                search_alg=_limited(candidates, concurrent),
                scheduler=scheduler,
                num_samples=candidates.num_trials,
                # Keeps a trial's process, and with it the ranks that it started, for the next one.
                reuse_actors=plan.warm,
                trial_name_creator=lambda trial: str(trial.config["name"]),
                trial_dirname_creator=lambda trial: str(trial.config["path"]).replace("/", "_"),
            ),
            run_config=ray.tune.RunConfig(
                storage_path=str(records),
                name="sweep",
                verbose=0,
                callbacks=callbacks or [],
                # A trial's function raises nothing, so this counts deaths of its process only.
                failure_config=ray.tune.FailureConfig(
                    max_failures=plan.experiment.cluster.max_failures
                ),
            ),
        )
        tuner.fit()


def _limited(candidates: Searcher, concurrent: int) -> Searcher:
    return ray.tune.search.ConcurrencyLimiter(candidates, max_concurrent=concurrent)


@contextmanager
def _ray_tune(plan: Plan) -> Iterator[None]:
    """Ray, without Ray Tune's own logs and handlers of signals."""
    os.environ |= {
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        # A trial that went wrong before its first evaluation has no score to report.
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
        "RAY_AIR_NEW_OUTPUT": "0",
    }
    # Its errors too: a trial's process that died has its reason in the trial's record.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    with ray_cluster(plan.experiment.cluster), interruptible():
        yield
