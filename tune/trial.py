"""Ray Tune's side of a trial: the function that it runs for each one.

It trains, in warm ranks or by Ray Train, hands each evaluation to Ray Tune and the scheduler's
answer back, and keeps the trial's record. It raises nothing: a trial that fails is a result too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import ray
import ray.tune
from ray.exceptions import RayError
from ray.tune.result import TIMESTEPS_TOTAL

from advent_dist.config import Call, Experiment
from advent_dist.data.classes import ClassSet
from advent_dist.errors import UserError
from advent_dist.runs.folder import CONFIG_FILE, RunFolder
from advent_dist.training.progress import Progress
from cluster.capacity import per_worker
from cluster.failures import is_death, is_outage
from cluster.launch import fit, worker_environment
from tune.folder import State, SweepFolder, Trial
from tune.observer import TrialObserver
from tune.plan import Plan
from tune.ranks import WarmRanks, score_run

_POLL_S = 0.5
_PAUSE_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What every trial's function needs of its sweep."""

    plan: Plan
    """What all trials have in common."""

    classes: ClassSet
    """The classes of its shards."""

    board: Any
    """The `Board`."""

    deadline: float | None = None
    """Unix seconds after which trials end."""


_ranks: WarmRanks | None = None
"""The warm ranks of this process, which Ray Tune uses for one trial after the other."""


def run_trial(config: dict[str, Any], sweep: Sweep) -> None:
    """Train one trial of a search as far as the scheduler lets it.

    Args:
        config: `number` of the trial, whose record is in the sweep folder.
        sweep: The sweep.
    """
    folder = SweepFolder(sweep.plan.url, sweep.plan.experiment.data)
    trial = folder.trial(config["number"])
    assert trial is not None, "the search writes a record before it suggests a trial"
    if trial.has_ended:
        return
    session = _Session(trial, folder, sweep)
    session.note(
        state="running", reason=None, started_at=trial.started_at or time.time(), ended_at=None
    )
    # Decided before the driver died, but the trial never knew.
    reason = ray.get(sweep.board.stop_reason.remote(trial.path))
    if reason is None:
        session.train()
    else:
        session.end("stopped", reason)


class _Session:
    """A trial from its launch to its end, or to the death of its process."""

    def __init__(self, trial: Trial, folder: SweepFolder, sweep: Sweep) -> None:
        self._trial = trial
        self._folder = folder
        self._sweep = sweep
        self._launched_at = time.time()
        self._seconds_before = trial.seconds
        self._ending: tuple[State, str] | None = None

    def note(self, **changes: Any) -> None:
        """Change the trial's record."""
        seconds = self._seconds_before + time.time() - self._launched_at
        self._trial = replace(self._trial, seconds=round(seconds, 3), **changes)
        self._folder.write_trial(self._trial)

    def end(self, state: State, reason: str | None = None) -> None:
        """Write the trial's last word."""
        self.note(state=state, reason=reason, ended_at=time.time())

    def train(self) -> None:
        """Train until the last step, the scheduler's word, or a failure."""
        plan, trial = self._sweep.plan, self._trial
        observer = TrialObserver(trial.path, trial.values, self._sweep.board, plan.metric)
        ray.get(self._sweep.board.reset.remote(trial.path))
        try:
            experiment = plan.training(trial.path, trial.values)
            with ThreadPoolExecutor(1) as thread:
                classes = self._sweep.classes
                training = thread.submit(
                    train, experiment, classes, observer, trial.name, plan.warm
                )
                self._pass_on_evaluations(lambda: not training.done())
                progress = training.result()
        except Exception as error:  # whatever it is: one trial's failure is not the sweep's
            require_sweep(self._sweep.board)
            if is_outage(error):
                self.note(state="interrupted", reason=message_of(error))
            else:
                self.end("failed", message_of(error))
        else:
            if progress.step == experiment.run.steps:
                self.end("finished")
            else:
                assert self._ending is not None, "only an answer ends a training early"
                self.end(*self._ending)

    def _pass_on_evaluations(self, goes_on: Callable[[], bool]) -> None:
        """Between rank 0 and Ray Tune, as long as the training goes on."""
        board, path = self._sweep.board, self._trial.path
        while goes_on():
            waiting = board.next_evaluation.remote(path)
            while not ray.wait([waiting], timeout=_POLL_S)[0]:
                if not goes_on():
                    ray.cancel(waiting)
                    return
            evaluation = ray.get(waiting)
            reason: str | None = "its evaluation could not be recorded"
            try:
                reason = self._decide(evaluation)
            finally:  # rank 0 waits for it, whatever happened here
                ray.get(board.answer.remote(path, reason))

    def _decide(self, evaluation: dict[str, Any]) -> str | None:
        """Why the trial is to end after an evaluation, if it is."""
        trial, metric = self._trial, self._sweep.plan.metric
        collapse = evaluation.pop("collapse")
        score, step = evaluation["score"], evaluation["step"]
        best = score if metric.is_better(score, trial.best_score) else trial.best_score
        self.note(
            steps=step,
            score=score,
            best_score=best,
            # An evaluation that is told again comes before the first step of its session.
            start_seconds=evaluation.pop("start_seconds") or trial.start_seconds,
        )
        if collapse is not None:
            # The scheduler must not measure others by it.
            self._ending = ("collapsed", collapse)
            return str(collapse)
        # Ray's loggers count in this rather than in evaluations.
        ray.tune.report({**evaluation, TIMESTEPS_TOTAL: step})
        # Ray Tune lets `report` return when the scheduler is through with the result.
        reason: str | None = ray.get(self._sweep.board.stop_reason.remote(trial.path))
        if reason is not None:
            self._trial = replace(self._trial, stopped_at_rung=_rung(self._sweep.plan, step))
        elif self._sweep.deadline is not None and time.time() > self._sweep.deadline:
            reason = f"the time budget of {self._sweep.plan.options.time_budget} was used up"
        if reason is not None:
            self._ending = ("stopped", reason)
        return reason


def train(
    experiment: Experiment, classes: ClassSet, observer: TrialObserver, name: str, warm: bool
) -> Progress:
    """Train in this process's warm ranks, or by Ray Train in fresh ones.

    Raises:
        UserError: something is wrong with the data or config, or a loss is not finite.
        UnavailableError: the storage was away, more than `cluster.max_failures` times.
        LostError, RayError: workers died more often than that.
    """
    run = RunFolder.of(experiment)
    exists = run.folder.exists(CONFIG_FILE)
    run.start(experiment, Call(resume=exists))
    run.write_classes(classes)
    if not warm:
        return fit(experiment, classes, observer)
    for failures_left in reversed(range(experiment.cluster.max_failures + 1)):
        ranks = warm_ranks(experiment)
        try:
            return ranks.train(experiment, classes, observer, name)
        except RayError as error:
            # Whatever the others are at, nobody knows: they go too.
            close_ranks()
            if not is_outage(error) or not failures_left:
                raise
            # Where all of Ray is going down, this process is next.
            time.sleep(_PAUSE_S)
    raise AssertionError("unreachable")


def score(experiment: Experiment, run: str, folder: str | None) -> dict[str, Any]:
    """Evaluate a finished training's checkpoints where it was trained; see `score_run`."""
    if _ranks is not None:
        return _ranks.score(run, folder)
    cluster = experiment.cluster
    task = ray.remote(
        num_cpus=cluster.cpus_per_worker,
        num_gpus=per_worker(cluster).get("GPU", 0),
        runtime_env=worker_environment(cluster),
        scheduling_strategy="DEFAULT",  # not on the head, where this runs
    )(score_run)
    result: dict[str, Any] = ray.get(task.remote(run, folder))
    return result


def warm_ranks(experiment: Experiment) -> WarmRanks:
    """The ranks of this process, started when they are first needed."""
    global _ranks
    if _ranks is None:
        _ranks = WarmRanks(experiment)
    return _ranks


def close_ranks() -> None:
    """End the ranks of this process."""
    global _ranks
    if _ranks is not None:
        _ranks.close()
    _ranks = None


def require_sweep(board: Any) -> None:
    """Make sure that the sweep is there before a failure is written down.

    When the driver is killed, ranks die first and the trial's process sees them fail. That is no
    failure of the trial, which a resumption is to go on with.

    Raises:
        RayError: the sweep's own actor is gone too.
    """
    time.sleep(_PAUSE_S)
    ray.get(board.is_there.remote())


def message_of(error: BaseException) -> str:
    """What a person is to know of an error, which Ray may have wrapped into a traceback."""
    cause = getattr(error, "cause", error)
    if isinstance(cause, UserError):
        return str(cause)
    if is_death(error):
        return "a worker died more often than --max-failures allows"
    return f"{type(cause).__name__}: {str(cause).strip().splitlines()[-1] if str(cause) else ''}"


def _rung(plan: Plan, step: int) -> int | None:
    return max((rung for rung in plan.rungs if rung <= step), default=None)
