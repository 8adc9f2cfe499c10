"""Curves over the steps of runs, as interactive plotly charts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import cycle

import plotly.graph_objects as go

from advent_dist.report.drawing import COLOURS, Chart, draw
from advent_dist.report.record import RunRecord


@dataclass(frozen=True, kw_only=True)
class Family:
    """Metrics that belong in one chart."""

    title: str
    """Heading of the chart."""

    unit: str
    """Title of its y axis."""

    patterns: tuple[str, ...]
    """Names of the metrics; * stands for anything."""


QUALITY = (
    Family(title="mIoU", unit="percent", patterns=("target_miou", "source_miou")),
    Family(title="mAP", unit="percent", patterns=("target_map", "source_map")),
    Family(title="Target entropy", unit="0 to 1", patterns=("target_entropy",)),
    Family(
        title="Information maximisation and diversity, without labels",
        unit="0 to 1",
        patterns=("criterion/information_maximisation", "criterion/diversity"),
    ),
    Family(
        title="Soft neighbourhood density, without labels",
        unit="nats",
        patterns=("criterion/snd",),
    ),
    Family(title="Losses", unit="loss", patterns=("loss/*",)),
)
SPEED = (
    Family(title="Learning rates", unit="learning rate", patterns=("lr/*",)),
    Family(title="Throughput", unit="source images a second", patterns=("samples_per_s",)),
    Family(title="Waiting for data", unit="share of the time", patterns=("data_wait_fraction",)),
)


def charts_of_run(run: RunRecord) -> list[Chart]:
    """One chart a family, with a line for each of its metrics."""
    charts = [
        _chart(f.title, f.unit, {name: run.curve(name) for name in _matching(f, [run])})
        for f in (*QUALITY, *SPEED)
    ]
    return [chart for chart in charts if chart is not None]


def charts_of_runs(runs: Sequence[RunRecord]) -> list[Chart]:
    """One chart a metric of quality, with a line for each run."""
    charts = [
        _chart(name, family.unit, {run.name: run.curve(name) for run in runs})
        for family in QUALITY
        for name in _matching(family, runs)
    ]
    return [chart for chart in charts if chart is not None]


def _matching(family: Family, runs: Iterable[RunRecord]) -> list[str]:
    """Names of metrics that a family holds, in the order in which they first appear."""
    names = dict.fromkeys(name for run in runs for row in run.metrics for name in row)
    return [name for p in family.patterns for name in names if fnmatch(name, p)]


def _chart(title: str, unit: str, curves: Mapping[str, Mapping[int, float]]) -> Chart | None:
    """A line chart over the steps; none where no line has a point."""
    # A line keeps its place's colour, so that a run has the same one in all charts.
    lines = [
        go.Scatter(
            x=list(curve),
            y=list(curve.values()),
            name=html.escape(name),  # plotly reads a name as HTML
            mode="lines+markers" if len(curve) < 40 else "lines",
            line={"color": colour},
        )
        for (name, curve), colour in zip(curves.items(), cycle(COLOURS), strict=False)
        if curve
    ]
    if not lines:
        return None
    figure = go.Figure(lines)
    figure.update_layout(showlegend=True)
    figure.update_xaxes(title="optimiser step")
    figure.update_yaxes(title=unit, rangemode="tozero")
    return draw(title, figure)
