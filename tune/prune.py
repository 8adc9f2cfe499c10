"""Checkpoints of hopeless trials are deleted: a sweep's folder stays as large as a few runs."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback

from advent_dist.runs.folder import RunFolder
from cluster.aside import Aside
from tune.folder import SweepFolder, Trial
from tune.metric import Metric
from tune.plan import Plan


class CheckpointPruner(Callback):
    """Whenever a trial has ended, keeps the checkpoints of the best ones and of those that run."""

    def __init__(self, plan: Plan, folder: SweepFolder) -> None:
        self._plan = plan
        self._folder = folder
        self._pruned: set[int] = set()
        self._aside = Aside()

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """See Ray Tune's `Callback`."""
        known = self._folder.trials()
        for one in to_prune(known, self._plan.metric, self._plan.options.keep_checkpoints):
            if one.number not in self._pruned:
                # What is left lying there takes room, but costs no trial.
                with self._aside("deleting checkpoints"):
                    RunFolder(self._folder.open(one.path)).clear_checkpoints()
                    self._pruned.add(one.number)


def to_prune(trials: list[Trial], metric: Metric, keep: int) -> list[Trial]:
    """The ended trials that are not among the `keep` best; never one that is still to run."""
    ended = [trial for trial in trials if trial.has_ended]
    sign = 1 if metric.mode == "max" else -1
    worth = [trial for trial in ended if trial.score is not None and trial.state != "collapsed"]
    # A finished trial before one that was ended early, whatever its score: see `finals.winner`.
    worth.sort(key=lambda trial: (trial.state == "finished", sign * (trial.score or 0)))
    kept = {trial.number for trial in worth[-keep:]}
    return [trial for trial in ended if trial.number not in kept]
