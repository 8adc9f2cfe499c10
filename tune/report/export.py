"""The trials for other programs: a table and a tree."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict
from typing import Any

from advent_dist.errors import DataError
from tune.report.choice import best_trial
from tune.report.criteria import CRITERIA, judge
from tune.report.judgement import comparison_of
from tune.report.record import Sweep, Trial
from tune.report.views import views

_FIELDS = (
    "id",
    "name",
    "state",
    "published",
    "steps",
    "score",
    "best_score",
    "stopped_at_rung",
    "seconds",
    "start_seconds",
    "reason",
)


def to_csv(sweep: Sweep) -> str:
    """One line a trial: what became of it, its values, and its last evaluation's numbers."""
    rows = [_row(trial) for trial in sweep.trials]
    header = dict.fromkeys([*_FIELDS, *sweep.space, *(name for row in rows for name in row)])
    file = io.StringIO()
    writer = csv.DictWriter(file, list(header), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _row(trial: Trial) -> dict[str, Any]:
    names = dict.fromkeys(name for row in trial.run.metrics for name in row)
    curves = {name: trial.run.curve(name) for name in names}
    evaluated = ("target_", "source_", "criterion/")
    last = {
        name: curve[max(curve)]
        for name, curve in curves.items()
        if curve and name.startswith(evaluated)
    }
    return {name: getattr(trial, name) for name in _FIELDS} | trial.values | last


def to_json(sweep: Sweep) -> str:
    """The sweep, its trials with their evaluations, its retrainings and criteria, as JSON."""
    best = best_trial(sweep)
    tree = asdict(sweep)
    tree["trials"] = [trial.to_json() for trial in sweep.trials]
    tree["comparison"] = _comparison(sweep)
    for final in tree["finals"]:
        del final["images"]
    for trial in tree["trials"]:
        rows = trial.pop("run")["metrics"]
        trial["evaluations"] = [row for row in rows if "target_live_classes" in row]
    tree["best"] = None if best is None else best.id
    tree["criteria"] = {
        one.names[0]: {
            view.title: asdict(judge(view.points, one.mode)) for view in views(sweep, one)
        }
        for one in CRITERIA
    }
    return json.dumps(_finite(tree), indent=1, allow_nan=False)


def _comparison(sweep: Sweep) -> dict[str, Any] | None:
    """The best values against source-only, where that can be told."""
    try:
        found = comparison_of(sweep)
    except DataError:
        return None
    return None if found is None else found.to_json()


def _finite(value: Any) -> Any:
    """The same with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
