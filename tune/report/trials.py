"""All trials, and what went wrong with some."""

from __future__ import annotations

from advent_dist.report.page import Section
from advent_dist.report.tables import ABSENT, Cell, Row, Table, number
from tune.report.choice import OUT, best_trial
from tune.report.parameters import parameters_of, shown
from tune.report.record import Sweep, Trial


def trials_table(sweep: Sweep) -> Table:
    """A line a trial, the best score first."""
    parameters, best = parameters_of(sweep), best_trial(sweep)
    sign = 1 if sweep.metric.mode == "max" else -1

    def order(trial: Trial) -> tuple[bool, bool, float]:
        score = trial.score
        return (trial.state in OUT, score is None, -sign * (score or 0.0))

    rows = [
        Row(
            name=trial.id + (" (published)" if trial.published else ""),
            cells=[
                Cell(trial.state),
                Cell(str(trial.steps)),
                number(trial.score, 2),
                number(trial.best_score, 2),
                *(Cell(shown(trial.values.get(one.path, ABSENT))) for one in parameters),
                number(trial.seconds, 0),
                number(trial.start_seconds),
            ],
            strong=best is not None and trial.id == best.id,
        )
        for trial in sorted(sweep.trials, key=order)
    ]
    header = ["Trial", "State", "Steps", "Score", "Best score"]
    header += [one.path.rsplit(".", 1)[-1] for one in parameters]
    header += ["Seconds", "Seconds to first step"]
    return Table(caption=f"All {len(rows)} trials", header=header, rows=rows)


def failures(sweep: Sweep) -> Section:
    """Trials and retrainings that failed, collapsed or were interrupted, with their reasons."""
    rows = [
        Row(name=trial.id, cells=_what(trial.state, trial.steps, trial.reason, trial.name))
        for trial in sweep.trials
        if trial.state in (*OUT, "interrupted")
    ]
    rows += [
        Row(name=f"{final.which}, seed {final.seed}", cells=_what("failed", None, final.reason, ""))
        for final in sweep.finals
        if final.state == "failed"
    ]
    notes = [f"Left out of this page: {reason}" for reason in sweep.unreadable]
    if not rows:
        return Section(title="Failures", notes=[*notes, "No trial failed or collapsed."])
    header = ["Trial", "State", "Steps", "Reason", "Name"]
    return Section(
        title="Failures", notes=notes, tables=[Table(caption="", header=header, rows=rows)]
    )


def _what(state: str, steps: int | None, reason: str | None, name: str) -> list[Cell]:
    why = Cell(reason or "no reason was noted", "prose")
    return [Cell(state), number(steps, 0), why, Cell(name, "prose")]
