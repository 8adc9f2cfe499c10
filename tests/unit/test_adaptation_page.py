"""docs/results.md has the tables of what was trained, and the commands that trained it."""

from __future__ import annotations

import shlex
from itertools import product
from typing import Any

import pytest
import tyro

from tests.unit.test_adaptation_table import _BENCHMARKS


@pytest.fixture
def adaptation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(_BENCHMARKS)
    import adaptation

    return adaptation


def test_the_tables_are_those_of_the_results(adaptation: Any) -> None:
    """`python benchmarks/adaptation.py --table` writes them."""
    page = adaptation.PAGE.read_text()
    assert page == adaptation.between_marks(page, adaptation.table(adaptation.kept("*")))


def test_each_result_has_its_command(adaptation: Any) -> None:
    begin = "python benchmarks/adaptation.py --data DIR "
    lines = adaptation.PAGE.read_text().splitlines()
    made = set()
    for line in (one.removeprefix(begin) for one in lines if one.startswith(begin)):
        options = tyro.cli(adaptation.Options, args=shlex.split(line))
        made |= {
            adaptation.file_of(*of_one, options.budget, options.values, seed).name
            for *of_one, seed in product(
                options.tasks, options.encoders, options.methods, options.seeds
            )
        }
    assert {file.name for file in adaptation.RESULTS.iterdir()} == made
