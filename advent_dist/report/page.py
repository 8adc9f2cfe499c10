"""Fills the page's template, which escapes every text; only plotly's own code is taken as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from advent_dist.pictures import to_data_uri
from advent_dist.report.charts import Chart
from advent_dist.report.record import Panel
from advent_dist.report.tables import Table


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows, from top to bottom."""

    title: str
    """Heading, also of the browser's tab."""

    notes: Sequence[str] = ()
    """Paragraphs below the heading."""

    tables: Sequence[Table] = ()
    """Shown at once."""

    panels: Sequence[Panel] = ()
    """Pictures of predictions."""

    charts: Sequence[Chart] = ()
    """Curves."""

    folded: Sequence[Table] = field(default=())
    """Tables that open on a click."""


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
