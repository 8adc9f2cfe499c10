"""The console's view of a running sweep: a table that fits 100 columns."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback
from rich.live import Live
from rich.table import Table

from advent_dist.config.selection import by_target_labels
from advent_dist.printable import plain_console
from cluster.aside import Aside
from tune.folder import SweepFolder, Trial
from tune.plan import Plan

_WIDTH, _OTHERS = 100, 40
"""Columns of the table, and those that all but the swept values need at most."""

_WHAT = "the table of trials"

_STYLES = {
    "finished": "green",
    "stopped": "dim",
    "interrupted": "yellow",
    "collapsed": "yellow",
    "failed": "red",
}


class LiveTable(Callback):
    """Draws the trials: in place on a terminal, else a line whenever one ends."""

    def __init__(self, plan: Plan, folder: SweepFolder, num_trials: int) -> None:
        self._plan = plan
        self._folder = folder
        self._num_trials = num_trials
        self._console = plain_console(stderr=True)
        self._trials: dict[int, Trial] = {trial.number: trial for trial in folder.trials()}
        self._live: Live | None = None
        self._aside = Aside()

    def __reduce__(self) -> Any:
        """Ray Tune saves its callbacks; a screen can't be."""
        return Callback, ()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """See Ray Tune's `Callback`."""
        self._look(trial)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """See Ray Tune's `Callback`."""
        self._look(trial)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """See Ray Tune's `Callback`."""
        self._look(trial)
        with self._aside(_WHAT):
            if not self._console.is_terminal:
                self._console.print(line(self._trials[trial.config["number"]]), soft_wrap=True)

    def _look(self, trial: Any) -> None:
        with self._aside(_WHAT):
            record = self._folder.trial(trial.config["number"])
            if record is not None:
                self._trials[record.number] = record
            if self._console.is_terminal:
                if self._live is None:
                    self._live = Live(console=self._console)
                    self._live.start()
                self._live.update(self.table())

    def table(self) -> Table:
        """All trials so far."""
        return trial_table(list(self._trials.values()), self._plan, self._num_trials)

    def close(self) -> None:
        """Leave the table on the screen as it is."""
        if self._live is not None:
            with self._aside(_WHAT):
                self._live.stop()


def line(trial: Trial) -> str:
    """A trial that has ended, in one line."""
    score = "-" if trial.score is None else f"{trial.score:.4g}"
    return f"{trial.name}: {trial.state} after {trial.steps} steps, score {score}" + (
        f" ({trial.reason})" if trial.reason else ""
    )


def trial_table(trials: list[Trial], plan: Plan, num_trials: int) -> Table:
    """Number, values, steps, score, state and time left of each trial, at most 100 columns wide."""
    ended = sum(trial.has_ended for trial in trials)
    metric = plan.metric.name
    score = metric if by_target_labels(metric) else f"{metric}, no target labels"
    table = Table(
        title=f"{plan.name}: {ended} of {num_trials} trials ended; score = {score}",
        title_justify="left",
        width=_WIDTH,
        box=None,
        padding=(0, 1, 0, 0),
    )
    paths = list(plan.space.distributions)
    table.add_column("trial", no_wrap=True)
    # They share what the other columns leave, and are cut where there are many of them.
    widest = max(4, (_WIDTH - _OTHERS) // len(paths) - 1)
    for path in paths:
        heading = path.rsplit(".", 1)[-1]
        table.add_column(heading, overflow="ellipsis", no_wrap=True, max_width=widest)
    for heading in ("step", "score", "state", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    for trial in trials:
        values = (_short(trial.values[path]) for path in paths)
        score = "" if trial.score is None else f"{trial.score:.4g}"
        table.add_row(
            f"{trial.number}{'*' if trial.published else ''}",
            *values,
            str(trial.steps),
            score,
            trial.state,
            _left(trial, plan.max_steps),
            style=_STYLES.get(trial.state, ""),
        )
    return table


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _left(trial: Trial, max_steps: int) -> str:
    """Minutes and seconds until a running trial's last step, if it goes on as before."""
    if trial.state != "running" or not trial.steps or trial.started_at is None:
        return ""
    seconds = trial.seconds * (max_steps - trial.steps) / trial.steps
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
