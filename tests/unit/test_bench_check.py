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


def test_what_is_fifteen_percent_worse_does_not_hold(check: Any) -> None:
    found = check.compared({"a": 1.0, "b": 0.5, "never again": 2.0}, {"a": 1.16, "b": 0.57})
    assert [(one.name, one.holds(1.15)) for one in found] == [("a", False), ("b", True)]


def test_a_ratio_needs_a_kept_one_of_its_name(check: Any) -> None:
    with pytest.raises(KeyError, match="renamed"):
        check.compared({"a": 1.0}, {"renamed": 1.0})


def test_every_script_has_kept_ratios(check: Any) -> None:
    for script in check.QUICKLY:
        assert (_BENCHMARKS / f"{script}.py").is_file()
        kept = json.loads((_BENCHMARKS / "results" / f"{script}.json").read_text())
        assert kept["ratios"]
