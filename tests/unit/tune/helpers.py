"""A plan without a cluster."""

from __future__ import annotations

from typing import Any

from tune.folder import State, Trial
from tune.options import Options
from tune.plan import Plan, make_plan


def plan(tmp_path: object, **changes: Any) -> Plan:
    """streets_advent with rungs at 100 and 200 of its 300 steps, evaluated every 50."""
    given = {
        "storage": str(tmp_path),
        "grace_steps": 100,
        "reduction_factor": 2,
        "seeds_for_best": 0,
    }
    return make_plan(Options(**{**given, **changes}))


def trial(number: int, score: float | None, state: State = "finished", **changes: Any) -> Trial:
    """An ended trial of a rate of 1e-3."""
    values = {"optimizer.segmenter_lr": 1e-3}
    return Trial(**{"number": number, "values": values, "score": score, "state": state, **changes})
