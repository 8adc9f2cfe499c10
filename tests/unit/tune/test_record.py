"""sweep.json: whose folder it is, and what is left of a trial whose process is gone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from advent_dist.errors import ConfigError
from tests.unit.tune.helpers import plan, trial
from tune.record import SweepRecord


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"experiment": "streets_minent"}, r'has experiment.name = "streets_advent", not'),
        ({"data": "/elsewhere"}, r"has experiment.data.root = .*, not \"/elsewhere\""),
        ({"metric": "criterion/snd"}, r'has metric.name = "target_miou", not "criterion/snd"'),
        ({"seed": 1}, r"has seed = 0, not 1"),
        ({"space": ("method.lambda_adv=uniform:0:1",)}, r"has space\."),
        ({"reduction_factor": 3}, r"has reduction_factor = 2, not 3"),
    ],
)
def test_another_sweep_is_not_gone_on_with(
    tmp_path: Path, other: dict[str, object], difference: str
) -> None:
    SweepRecord.open(plan(tmp_path, name="one"), "")
    before = (tmp_path / "one" / "sweep.json").read_text()
    with pytest.raises(ConfigError, match=difference):
        SweepRecord.open(plan(tmp_path, name="one", resume=True, **other), "")
    assert (tmp_path / "one" / "sweep.json").read_text() == before


def test_more_trials_and_another_cache_are_no_other_sweep(tmp_path: Path) -> None:
    SweepRecord.open(plan(tmp_path), "")
    changes = {"num_trials": 64, "time_budget": "8h", "set": ("data.cache_dir=/elsewhere",)}
    again = SweepRecord.open(plan(tmp_path, resume=True, **changes), "")
    tree = again.folder.read("sweep.json")
    assert tree is not None
    assert tree["num_trials"] == 64


def test_a_trial_whose_process_is_gone_has_failed(tmp_path: Path) -> None:
    record = SweepRecord.open(plan(tmp_path), "")
    record.folder.write_trial(trial(0, 12.0, "running", steps=50))
    record.folder.write_trial(trial(1, 20.0, steps=300))
    for number in (0, 1):
        record.on_trial_error(0, [], SimpleNamespace(config={"number": number}))
    gone, finished = record.folder.trials()
    assert (gone.state, gone.steps, gone.score) == ("failed", 50, 12.0)
    assert gone.reason == "its process died more often than --max-failures allows"
    assert gone.ended_at is not None
    assert finished.state == "finished"
