"""Ray Tune's source of trials: those that an earlier session left unfinished, then new ones."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from tune.folder import SweepFolder, Trial
from tune.plan import Plan
from tune.suggest import SEARCHES


class Candidates(Searcher):
    """Writes each trial's record before it names it to Ray Tune."""

    def __init__(self, plan: Plan, folder: SweepFolder, deadline: float | None) -> None:
        super().__init__(metric="score", mode=plan.metric.mode)
        self._plan = plan
        self._folder = folder
        self._deadline = deadline
        self._suggester = SEARCHES[plan.options.search](plan)
        self._numbers: dict[str, int] = {}
        if plan.options.retry_failed:
            _reopen_failed(folder)
        known = folder.trials()
        self._waiting = [trial for trial in known if not trial.has_ended]
        self._next_number = len(known)
        for trial in known:
            if trial.has_ended:
                self._suggester.ended(trial)

    @property
    def num_trials(self) -> int:
        """How many there are to be in all sessions together."""
        return max(self._suggester.num_trials, self._next_number)

    def suggest(self, trial_id: str) -> Any:
        """The next trial's config for `run_trial`; see `Searcher`."""
        trial = self._left_over() or self._new()
        if trial is None:
            return Searcher.FINISHED
        self._numbers[trial_id] = trial.number
        return {
            "number": trial.number,
            "path": trial.path,
            "name": trial.name,
            "values": trial.values,
        }

    def _left_over(self) -> Trial | None:
        if not self._waiting:
            return None
        trial = self._waiting.pop(0)
        self._suggester.runs(trial)
        return trial

    def _new(self) -> Trial | None:
        number = self._next_number
        time_is_up = self._deadline is not None and time.time() > self._deadline
        if number >= self._suggester.num_trials or time_is_up:
            return None
        point = self._plan.space.point(self._plan.experiment)
        if number == 0:
            trial = Trial(number=0, values=point, published=True)
            self._suggester.runs(trial)
        else:
            trial = Trial(number=number, values=self._suggester.suggest(number))
        self._folder.write_trial(trial)
        self._next_number += 1
        return trial

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """See `Searcher`; what the trial came to is in its record."""
        trial = self._folder.trial(self._numbers.pop(trial_id))
        if trial is not None:
            self._suggester.ended(trial)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the sweep folder has it all."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing; see `save`."""


def _reopen_failed(folder: SweepFolder) -> None:
    """Have failed trials go on from their checkpoints, as interrupted ones do."""
    for trial in folder.trials():
        if trial.state == "failed":
            folder.write_trial(replace(trial, state="interrupted", ended_at=None))
