"""Which trials of an earlier session are gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from tests.unit.tune.helpers import plan, trial
from tune.candidates import Candidates
from tune.folder import State, SweepFolder


@pytest.mark.parametrize(
    ("changes", "taken_up"),
    [
        ({}, {"pending", "running", "interrupted"}),
        ({"retry_failed": True}, {"pending", "running", "interrupted", "failed"}),
    ],
)
def test_what_a_resumption_takes_up(
    tmp_path: Path, changes: dict[str, bool], taken_up: set[str]
) -> None:
    folder = SweepFolder(f"{tmp_path}/one")
    states: dict[int, State] = dict(enumerate(get_args(State)))
    for number, state in states.items():
        folder.write_trial(trial(number, 1.0, state))
    resumed = plan(tmp_path, name="one", num_trials=len(states), resume=True, **changes)
    candidates = Candidates(resumed, folder, deadline=None)
    suggested = [candidates.suggest(str(number)) for number in range(len(taken_up))]
    assert {states[one["number"]] for one in suggested} == taken_up
    assert candidates.suggest("one more") == Candidates.FINISHED
    for one in suggested:
        record = folder.trial(one["number"])
        assert record is not None
        assert not record.has_ended
