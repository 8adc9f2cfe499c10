"""How every chart looks: plotly figures without a background of their own, in colours that fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

COLOURS = ("#2f7fd1", "#e07b1a", "#2c9f5e", "#d0406a", "#8a63d2", "#a08a14", "#2aa5b5")
"""Readable on white and on black alike."""

NEUTRAL = "#8b949e"
"""Of what stands back."""

GRID: dict[str, Any] = {
    "gridcolor": "rgba(128,128,128,0.25)",
    "zeroline": False,
    "automargin": True,
    "exponentformat": "power",
}
"""Of an axis."""

_CONFIG = {"responsive": True, "displayModeBar": False}


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart, ready for the page."""

    title: str
    """Heading."""

    html: Markup
    """A div and the script that draws into it; plotly.js must have been loaded before."""

    note: str = ""
    """How to read it."""

    wide: bool = False
    """Whether it takes the page's whole width."""

    min_width: int = 0
    """Pixels that it needs; a narrower screen scrolls it in a box of its own."""


def draw(
    title: str,
    figure: go.Figure,
    *,
    note: str = "",
    wide: bool = False,
    height: int = 340,
    min_width: int = 0,
) -> Chart:
    """The figure as a chart of the page.

    Args:
        title: heading; plain text.
        figure: traces and axes. Plotly reads texts in it as HTML: escape those of the user.
        note: how to read it; plain text.
        wide: whether it takes the page's whole width.
        height: pixels.
        min_width: pixels below which it scrolls in a box of its own.
    """
    # Text and grid take their colours from the page's style sheet, which knows light from dark.
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        height=height,
        margin={"l": 56, "r": 8, "t": 8, "b": 40},
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        hovermode="closest",
        font={"family": "system-ui, sans-serif", "size": 12},
    )
    figure.update_xaxes(**GRID)
    figure.update_yaxes(**GRID)
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG)
    return Chart(title=title, html=Markup(drawn), note=note, wide=wide, min_width=min_width)
