"""Reading sweep folders, whole and damaged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from advent_dist.errors import DataError
from tests.sweep_folder import FakeSweep, write_sweep
from tune.report.reading import read_sweep


def test_a_sweep_is_read_as_it_was_written(tmp_path: Path) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=9, failed={4: "nan"}))
    sweep = read_sweep(url)
    assert [trial.number for trial in sweep.trials] == list(range(9))
    assert sweep.trials[4].state == "failed"
    assert sweep.trials[0].published
    assert sweep.trials[0].run.curve("target_miou")
    assert [(final.which, final.seed) for final in sweep.finals[:4]] == [
        ("source_only", 1),
        ("source_only", 2),
        ("source_only", 3),
        ("published", 1),
    ]
    assert sweep.unreadable == []


def test_a_folder_without_a_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no sweep folder: it has no sweep\.json"):
        read_sweep(str(tmp_path / "absent"))


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"format": 2}')
    with pytest.raises(DataError, match="format = 2"):
        read_sweep(str(tmp_path))


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    file = Path(write_sweep(str(tmp_path), FakeSweep(num_trials=1))) / "sweep.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"max_steps": "many"}))
    with pytest.raises(DataError, match=r"sweep\.json: max_steps = 'many'"):
        read_sweep(str(file.parent))


def test_a_damaged_trial_is_left_out_and_named(tmp_path: Path) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=4, finals=False))
    (Path(url) / "trials/00002/trial.json").write_text('{"id": ')
    (Path(url) / "trials/00003/metrics.jsonl").write_text('{"step": 1}\n{"st')
    sweep = read_sweep(url)
    assert [trial.number for trial in sweep.trials] == [0, 1]
    assert any("00002/trial.json is not JSON" in reason for reason in sweep.unreadable)
    assert any("metrics.jsonl, line 2" in reason for reason in sweep.unreadable)


def test_a_trial_folder_without_its_file_is_no_trial_yet(tmp_path: Path) -> None:
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=2, finals=False))
    (Path(url) / "trials/00001/trial.json").unlink()
    sweep = read_sweep(url)
    assert [trial.number for trial in sweep.trials] == [0]
    assert sweep.unreadable == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"union": [[1] * 19] * 30}, "more pixels than its union"),
        ({"keys": ["a"]}, "different numbers of images or classes"),
        ({"union": "many"}, r"images\.union = 'many'"),
        ({"intersection": [[-1] * 19] * 30}, "greater than or equal to 0"),
    ],
)
def test_a_retraining_whose_counts_can_not_be_is_left_out_and_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """In a message of a length that one reads."""
    url = write_sweep(str(tmp_path), FakeSweep(num_trials=1))
    file = Path(url, "final/best_seed1/final.json")
    final = json.loads(file.read_text())
    final["images"] |= change
    file.write_text(json.dumps(final))
    sweep = read_sweep(url)
    assert ("best", 1) not in [(one.which, one.seed) for one in sweep.finals]
    (reason,) = sweep.unreadable
    assert re.search(message, reason)
    assert len(reason) < 600
