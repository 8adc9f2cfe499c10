"""A summary.json of a stranger's, read by all who read one: no value of it ends in a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from advent_dist.config.run_summary import checked_summary
from advent_dist.errors import DataError, UserError
from advent_dist.report import read_run, run_report
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.status import find_runs
from tests.helpers import write_tiny_shards
from tests.unit.runs.test_trained import trained_run

_WRONG: tuple[Any, ...] = (None, "x", [], [1], {}, {"a": "b"}, -1.5, True)


def _paths(tree: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(tree, dict):
        for key, inner in tree.items():
            yield (*above, key)
            yield from _paths(inner, (*above, key))


def _damaged(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> str:
    copy = json.loads(json.dumps(tree))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(copy)


def test_no_value_ends_in_a_traceback(tmp_path: Path) -> None:
    write_tiny_shards(str(tmp_path / "shards"), num_samples=2)
    url, _ = trained_run(
        tmp_path,
        data__root=str(tmp_path / "shards"),
        data__evaluation="evaluation",
        data__classes="camvid11",
    )
    file = Path(url, "summary.json")
    whole = json.loads(file.read_text())
    for path in _paths(whole):
        for value in _WRONG:
            file.write_text(_damaged(whole, path, value))
            for read in (
                lambda: find_runs(str(tmp_path), 60.0),
                lambda: run_report(read_run(url)),
                lambda: RunFolder.open(url).step("best"),
            ):
                with suppress(UserError):
                    read()


def test_the_field_and_the_value_are_named() -> None:
    tree = {"last": {"step": 4, "target": {"miou": "high"}}}
    with pytest.raises(DataError, match=r"s\.json: last\.target\.miou\S* = 'high': .*copy the run"):
        checked_summary(tree, "s.json")
    with pytest.raises(DataError, match=r"selected_by = 'beauty' is no measure"):
        checked_summary({"selected_by": "beauty"}, "s.json")
