"""`benchmarks/adaptation.py` trains nothing twice."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

_BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.syspath_prepend(_BENCHMARKS)
    import adaptation

    monkeypatch.setattr(adaptation, "RESULTS", tmp_path)
    monkeypatch.setattr(adaptation, "train", _train)
    return adaptation


def _train(task: str, encoder: str, method: str, seed: int, steps: int, _: object) -> Any:
    """As if a step took half a second."""
    score = {"miou": 50.0}
    snapshot = {"seconds": steps / 2, "tune": score, "held_out": score}
    return {"task": task, "method": method, "steps": steps, "snapshots": [snapshot], "by": task}


def _fill(made: Any, task: str, method: str, **options: Any) -> dict[str, Any]:
    """What is in the file that it leaves, which is new."""
    before = set(made.RESULTS.iterdir())
    made.fill(task, "lite0", method, 1, made.Options(**options))
    (new,) = set(made.RESULTS.iterdir()) - before
    result: dict[str, Any] = json.loads(gzip.decompress(new.read_bytes()))
    return result


def test_tasks_with_one_target_share_its_oracle(made: Any) -> None:
    assert _fill(made, "T4", "oracle")["by"] == "T4"
    shared = _fill(made, "T5", "oracle")
    assert (shared["task"], shared["by"]) == ("T5", "T4")
    assert _fill(made, "T2", "oracle")["by"] == "T2", "another target"
    assert _fill(made, "T4", "source_only")["by"] == "T4"
    assert _fill(made, "T5", "source_only")["by"] == "T5", "another source"


def test_seconds_that_give_steps_which_are_there(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="how long does dacs take on T1"):
        made.fill("T1", "lite0", "dacs", 1, made.Options(seconds=200))
    _fill(made, "T1", "dacs")
    longer = _fill(made, "T1", "dacs", seconds=300)
    assert (longer["steps"], longer["budget"]) == (600, "300 s")
    monkeypatch.setattr(made, "train", None)
    same = _fill(made, "T1", "dacs", seconds=200)
    assert (same["steps"], same["budget"]) == (400, "200 s")
    made.fill("T1", "lite0", "dacs", 1, made.Options(seconds=200))  # has its file
