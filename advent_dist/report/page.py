"""Fills the page's template, which escapes every text; only plotly's own code is taken as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from advent_dist.pictures import to_data_uri
from advent_dist.report.drawing import Chart
from advent_dist.report.record import Panel
from advent_dist.report.tables import Table

_MARK = b'<meta name="generator" content="advent-dist">'


def is_page(html: bytes) -> bool:
    """Whether a file is a page that was filled here."""
    return _MARK in html[:2000]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page under one heading; what is empty is left out."""

    title: str
    """Heading; an empty one is left out."""

    notes: Sequence[str] = ()
    """Paragraphs."""

    command: str = ""
    """Shell command to copy."""

    figures: Sequence[tuple[str, str]] = ()
    """Numbers that matter most, each with what it is."""

    tables: Sequence[Table] = ()
    """Shown at once."""

    panels: Sequence[Panel] = ()
    """Pictures of predictions."""

    charts: Sequence[Chart] = ()
    """Interactive plots."""

    folded: Sequence[Table] = ()
    """Tables that open on a click."""

    @property
    def anchor(self) -> str:
        """Its name in the page's addresses."""
        words = "".join(letter if letter.isalnum() else " " for letter in self.title.lower())
        return "-".join(words.split())


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows, from top to bottom."""

    title: str
    """Heading, also of the browser's tab."""

    notes: Sequence[str] = ()
    """Paragraphs below the heading."""

    sections: Sequence[Section] = ()
    """The parts."""

    contents: bool = False
    """Whether a line of links to the sections stands on top."""


def pictures(panels: Sequence[Panel], note: str = "") -> Section:
    """The section that shows panels, under a note on where they come from; empty without any."""
    legend = (
        "Entropy runs from black (0, certain) through red to pale yellow (1, every class alike). "
        "In a label, black has no class."
    )
    notes = [f"{note} {legend}".strip()] if panels else []
    return Section(title="Predictions" if panels else "", notes=notes, panels=panels)


def curves(charts: Sequence[Chart]) -> Section:
    """The section that shows curves over the steps; empty without any."""
    return Section(title="Curves" if charts else "", charts=charts)


def render(page: Page) -> str:
    """The page as one self-contained HTML file."""
    environment = Environment(
        loader=PackageLoader("advent_dist.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        page=page, plotly=Markup(get_plotlyjs()), to_data_uri=to_data_uri
    )
