"""`benchmarks/check.py`, which says whether kept ratios still hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(_BENCHMARKS)
    import check

    return check


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(_BENCHMARKS)
    import record

    return record


def test_what_is_fifteen_percent_worse_does_not_hold(check: Any) -> None:
    found = check.compared({"a": 1.0, "b": 0.5}, {"a": 1.16, "b": 0.57})
    assert [(one.name, one.holds(1.15)) for one in found] == [("a", False), ("b", True)]


def test_a_ratio_needs_a_kept_one_of_its_name(check: Any) -> None:
    with pytest.raises(SystemExit, match="no such ratio is kept: renamed"):
        check.compared({"a": 1.0}, {"a": 1.0, "renamed": 1.0})


def test_a_kept_ratio_that_is_measured_no_more_fails(check: Any) -> None:
    kept = {"a": 1.0, "memory of b": 2.0}
    with pytest.raises(SystemExit, match="not measured any more: memory of b"):
        check.compared(kept, {"a": 1.0})
    for now in ({"a": 1.0}, {"a": 1.0, "memory of b": 9.0}):
        [one] = check.compared(kept, now, left_out=("memory of ",))
        assert one.name == "a"


def test_a_ratio_is_held_to_the_worst_that_was_seen(check: Any) -> None:
    kept = {"ratios": {"a": 0.65, "b": 1.0}, "seen": {"a": [0.6, 1.14]}}
    worst = check.worst_seen(kept)
    assert worst == {"a": 1.14, "b": 1.0}
    [one] = check.compared({"a": worst["a"]}, {"a": 1.2})
    assert one.holds(1.15)


def test_a_new_result_keeps_what_was_seen(record: Any, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    record.keep(file, question="?", ratios={"a": 1.0, "gone": 1.0}, rows=[])
    assert "seen" not in json.loads(file.read_text())
    for value in (1.25, 0.75, 1.25):
        record.add_seen(file, {"a": value, "gone": 1.0})
    record.keep(file, question="?", ratios={"a": 2.0}, rows=[])
    result = json.loads(file.read_text())
    assert result["ratios"] == {"a": 2.0}
    assert result["seen"] == {"a": [0.75, 1.25]}


def test_every_script_has_kept_ratios(check: Any) -> None:
    for script, look in check.QUICKLY.items():
        assert (_BENCHMARKS / f"{script}.py").is_file()
        kept = json.loads((_BENCHMARKS / "results" / f"{look.kept}.json").read_text())
        assert [name for name in kept["ratios"] if not name.startswith(look.left_out)]
