"""The learning curves of all trials, with the steps at which the scheduler decided."""

from __future__ import annotations

import plotly.graph_objects as go

from advent_dist.report.drawing import NEUTRAL, Chart, draw
from tune.report.choice import score_label
from tune.report.looks import Look, hover, looks_of, safe
from tune.report.record import Sweep, Trial

_NOTE = (
    "A line is a trial and ends with the mark of how it ended. At the dotted rungs the scheduler "
    "stops all but the best. A click on the legend hides a kind of trial, a double click shows it "
    "alone."
)


def learning_curves(sweep: Sweep) -> list[Chart]:
    """A chart of the score that decides and one of accuracy as it was evaluated."""
    decides = "score" if any(t.run.curve("score") for t in sweep.trials) else sweep.metric.name
    accuracy = sweep.accuracy
    titles = {
        accuracy.target: f"Target {accuracy.short} as evaluated",
        decides: f"Score: {score_label(sweep)}",
    }
    charts = [_chart(sweep, name, title) for name, title in reversed(titles.items())]
    return [chart for chart in charts if chart is not None]


def _chart(sweep: Sweep, name: str, title: str) -> Chart | None:
    lines = []
    for look, trials in looks_of(sweep):
        curves = [(trial, trial.run.curve(name)) for trial in trials]
        drawn = [(trial, curve) for trial, curve in curves if curve]
        lines += [_line(sweep, trial, look, curve) for trial, curve in drawn]
        lines += [_ends(look, [curve for _, curve in drawn])] if drawn else []
    if not lines:
        return None
    figure = go.Figure(lines)
    for rung in sweep.rungs:
        figure.add_vline(
            x=rung,
            line={"color": NEUTRAL, "width": 1, "dash": "dot"},
            annotation={"text": f"rung {rung}", "textangle": -90, "font": {"size": 10}},
            annotation_position="bottom right",
        )
    figure.update_xaxes(title="optimiser step", range=[0, sweep.max_steps * 1.02])
    figure.update_yaxes(title=safe(sweep.metric.name if name == "score" else name))
    figure.update_layout(showlegend=True)
    return draw(title, figure, note=_NOTE, wide=True, height=440)


def _line(sweep: Sweep, trial: Trial, look: Look, curve: dict[int, float]) -> go.Scatter:
    return go.Scatter(
        x=list(curve),
        y=list(curve.values()),
        legendgroup=look.title,
        showlegend=False,
        opacity=look.opacity,
        mode="lines",
        line={"color": look.colour, "width": look.width, "dash": look.dash},
        hovertemplate=f"step %{{x}}: %{{y:.4g}}<br>{hover(sweep, trial)}<extra></extra>",
    )


def _ends(look: Look, curves: list[dict[int, float]]) -> go.Scatter:
    """The marks at the ends of a kind's lines, which also stand in the legend."""
    return go.Scatter(
        x=[max(curve) for curve in curves],
        y=[curve[max(curve)] for curve in curves],
        name=look.title,
        legendgroup=look.title,
        mode="markers",
        marker={
            "symbol": look.symbol,
            "size": 13 if look.symbol == "star" else 8,
            "color": look.colour,
        },
        hoverinfo="skip",
    )
