"""A page as Markdown: its texts, commands and tables. Plots stay with the HTML page."""

from __future__ import annotations

import html
import re

from advent_dist.report.page import Page, Section
from advent_dist.report.tables import Table


def to_markdown(page: Page) -> str:
    """The page as GitHub's Markdown; every text is escaped."""
    blocks = [f"# {_text(page.title)}", *map(_text, page.notes)]
    for section in page.sections:
        blocks += _section(section)
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> list[str]:
    blocks = [f"## {_text(section.title)}"]
    if section.command:
        fence = _fence(section.command)
        blocks.append(f"{fence}sh\n{section.command}\n{fence}")
    if section.figures:
        lines = [f"- {_text(name)}: **{_text(value)}**" for value, name in section.figures]
        blocks.append("\n".join(lines))
    blocks += map(_text, section.notes)
    for table in (*section.tables, *section.folded):
        blocks += [f"**{_text(table.caption)}**"] if table.caption else []
        blocks.append(_table(table))
    if section.charts:
        titles = ", ".join(chart.title for chart in section.charts)
        blocks.append(f"Plots in report.html: {_text(titles)}.")
    return blocks


def _table(table: Table) -> str:
    lines = [table.header, ["---"] + ["---:"] * (len(table.header) - 1)]
    lines = [[_text(cell) for cell in lines[0]], lines[1]]
    for row in table.rows:
        cells = [_text(text) for text in (row.name, *(cell.text for cell in row.cells))]
        lines.append([f"**{cell}**" if row.strong and cell else cell for cell in cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """One line in which nothing is markup."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", plain)


def _fence(text: str) -> str:
    """A fence longer than any run of backticks in the text."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)
