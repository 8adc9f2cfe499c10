"""docs/faults.md names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
ROW = re.compile(r"\| [^|]+ \| [^|]+ \| `([\w/]+\.py)::(\w+)` \|")


def _rows() -> list[tuple[str, str]]:
    text = (TESTS.parent / "docs/faults.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    found = [ROW.fullmatch(line) for line in lines if not re.match(r"\| (fault|---) ", line)]
    assert all(found), "a row has no test"
    return [(one[1], one[2]) for one in found if one]


def test_every_fault_has_a_test_that_is_there() -> None:
    rows = _rows()
    assert len(rows) >= 60
    defined = {
        file: {
            node.name
            for node in ast.walk(ast.parse((TESTS / file).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        for file in {file for file, _ in rows}
    }
    assert [f"{file}::{name}" for file, name in rows if name not in defined[file]] == []
