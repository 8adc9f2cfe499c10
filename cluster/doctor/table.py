"""The doctor's answer on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from cluster.doctor.finding import Finding, Level

_STYLES: dict[Level, str] = {"ok": "green", "warning": "yellow", "failure": "bold red"}

WIDTH = 100
"""Columns that the table fits."""


def draw(findings: Sequence[Finding]) -> Table:
    """A row a finding, its fix below what was found."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("check")
    table.add_column("where", max_width=26, overflow="fold")
    table.add_column("found", overflow="fold")
    for one in findings:
        found = Text(one.said)
        if one.fix:
            found.append(f"\n-> {one.fix}", style=_STYLES[one.level])
        table.add_row(Text(one.level, style=_STYLES[one.level]), one.check, Text(one.where), found)
    return table


def count(findings: Sequence[Finding]) -> str:
    """The last line: how many of each level."""
    levels: tuple[Level, ...] = ("failure", "warning", "ok")
    numbers = {level: sum(one.level == level for one in findings) for level in levels}
    return f"{numbers['failure']} failures, {numbers['warning']} warnings, {numbers['ok']} ok"
