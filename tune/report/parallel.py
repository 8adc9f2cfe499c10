"""Parallel coordinates: a line for each trial through its value on every axis.

Drawn as plain lines rather than with plotly's own `Parcoords`, which needs WebGL: a browser without
a GPU shows none, and its lines can't be asked which trial they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from advent_dist.report.drawing import NEUTRAL, Chart, draw
from tune.report.choice import score_label
from tune.report.looks import hover, looks_of, safe
from tune.report.parameters import Parameter, shown
from tune.report.record import Sweep, Trial

_TICKS = 4
"""Labels at a numeric axis."""

_WIDTH = 130
"""Pixels that an axis needs."""


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """A vertical line with a scale."""

    label: str
    position: Callable[[Trial], float | None]
    low: float
    high: float
    ticks: list[tuple[float, str]]

    def height(self, trial: Trial) -> float | None:
        """Where the trial's line crosses it, in 0..1."""
        at = self.position(trial)
        return None if at is None else self.scaled(at)

    def scaled(self, at: float) -> float:
        """A position as a height in 0..1."""
        return 0.5 if self.high == self.low else (at - self.low) / (self.high - self.low)


def parallel_coordinates(sweep: Sweep, parameters: Sequence[Parameter]) -> Chart | None:
    """The chart; none where no trial has a score, or nothing varies.

    Args:
        sweep: the sweep.
        parameters: the axes, before that of the score.
    """
    scores = [trial.score for trial in sweep.trials if trial.score is not None]
    if not scores or not parameters:
        return None
    axes = [_axis(parameter, sweep.trials) for parameter in parameters]
    axes.append(_score_axis(sweep, min(scores), max(scores)))
    figure = go.Figure([*_lines(sweep, axes)])
    for place, axis in enumerate(axes):
        figure.add_vline(x=place, line={"color": NEUTRAL, "width": 1}, layer="below")
        for at, text in axis.ticks:
            figure.add_annotation(
                x=place,
                y=axis.scaled(at),
                text=safe(text),
                showarrow=False,
                xanchor="right" if place else "left",
                xshift=-4 if place else 4,
                font={"size": 10},
                bgcolor="rgba(255,255,255,0)",  # the style sheet fills it in
                borderpad=1,
            )
    figure.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=[safe(axis.label) for axis in axes],
        showgrid=False,
        range=[-0.15, len(axes) - 0.85],
    )
    figure.update_yaxes(visible=False, range=[-0.06, 1.06])
    figure.update_layout(showlegend=True)
    note = (
        f"A line is a trial; the score is {score_label(sweep)}. Where lines of high score cross an "
        "axis close together, that parameter matters. Bright lines score best; dashed grey ones "
        "have no score."
    )
    return draw(
        "Parallel coordinates",
        figure,
        note=note,
        wide=True,
        height=420,
        min_width=_WIDTH * len(axes),
    )


def _axis(parameter: Parameter, trials: Sequence[Trial]) -> _Axis:
    if not parameter.is_number:
        ticks = [(float(n), shown(choice)) for n, choice in enumerate(parameter.choices)]
        low, high = 0.0, float(len(parameter.choices) - 1)
    else:
        found = [at for trial in trials if (at := parameter.position(trial)) is not None]
        low, high = min(found), max(found)
        ticks = _ticks(low, high, logarithmic=parameter.is_log)
    return _Axis(
        label=parameter.label, position=parameter.position, low=low, high=high, ticks=ticks
    )


def _score_axis(sweep: Sweep, low: float, high: float) -> _Axis:
    return _Axis(
        label="score",
        position=lambda trial: trial.score,
        low=low,
        high=high,
        ticks=_ticks(low, high, logarithmic=False),
    )


def _ticks(low: float, high: float, *, logarithmic: bool) -> list[tuple[float, str]]:
    positions = [low + (high - low) * n / (_TICKS - 1) for n in range(_TICKS)]
    return [(at, f"{10**at if logarithmic else at:.2g}") for at in positions]


def _lines(sweep: Sweep, axes: Sequence[_Axis]) -> list[Any]:
    """A line a trial, in the colours of its score; a kind's first one stands in the legend."""
    lines = []
    for look, trials in looks_of(sweep):
        for place, trial in enumerate(trials):
            crossings = [
                (n, height)
                for n, axis in enumerate(axes)
                if (height := axis.height(trial)) is not None
            ]
            plain = trial.score is None
            colour = NEUTRAL if plain else _colour(axes[-1].height(trial) or 0.0, sweep)
            lines.append(
                go.Scatter(
                    x=[at for at, _ in crossings],
                    y=[height for _, height in crossings],
                    name=look.title,
                    legendgroup=look.title,
                    showlegend=place == 0,
                    mode="lines+markers",
                    line={
                        "color": colour,
                        "width": look.width,
                        "dash": "dash" if plain else "solid",
                    },
                    marker={"symbol": look.symbol, "size": 7, "color": colour},
                    hovertemplate=f"{hover(sweep, trial)}<extra></extra>",
                )
            )
    return lines


def _colour(height: float, sweep: Sweep) -> str:
    good = height if sweep.metric.mode == "max" else 1 - height
    return str(sample_colorscale("Viridis", [0.05 + 0.85 * good])[0])
