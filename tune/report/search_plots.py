"""The section on how the score depends on the parameters."""

from __future__ import annotations

import plotly.graph_objects as go

from advent_dist.report.drawing import COLOURS, NEUTRAL, Chart, draw
from advent_dist.report.page import Section
from tune.report.importance import Importance, importance_of
from tune.report.looks import safe
from tune.report.maps import maps
from tune.report.parallel import parallel_coordinates
from tune.report.parameters import parameters_of, varied
from tune.report.record import Sweep


def parameter_section(sweep: Sweep) -> Section:
    """Parallel coordinates, maps and importance, as far as there are trials for them."""
    parameters = varied(parameters_of(sweep), sweep.trials)
    importance = importance_of(sweep, parameters)
    charts = [parallel_coordinates(sweep, parameters), *maps(sweep, parameters)]
    charts.append(_bars(importance))
    notes = [f"Importance of the parameters: {importance.missing}"] if importance.missing else []
    if charts[0] is None:
        notes.append("There is nothing to plot before trials with different values have scores.")
    return Section(
        title="Parameters", notes=notes, charts=[chart for chart in charts if chart is not None]
    )


def _bars(importance: Importance) -> Chart | None:
    if not importance.shares:
        return None
    shares = importance.shares[::-1]
    figure = go.Figure(
        go.Bar(
            x=[share for _, share, _ in shares],
            y=[safe(parameter.label) for parameter, _, _ in shares],
            error_x={
                "array": [spread for _, _, spread in shares],
                "thickness": 1,
                "color": NEUTRAL,
            },
            orientation="h",
            marker={"color": COLOURS[0]},
            hovertemplate="%{y}: %{x:.0%} of the variance<extra></extra>",
        )
    )
    figure.update_xaxes(title="share of the variance", tickformat=".0%", rangemode="tozero")
    note = (
        f"fANOVA of the scores of {importance.trials} trials at step {importance.step}; the bars' "
        "lines are one standard deviation under resampling of the trials. What is missing to 100 % "
        "is due to several parameters together."
    )
    return draw("Importance of the parameters", figure, note=note)
