"""Where in the plane of a loss weight and a learning rate the good trials lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import plotly.graph_objects as go

from advent_dist.report.drawing import NEUTRAL, Chart, draw
from tune.report.choice import score_label
from tune.report.looks import Look, hover, looks_of, safe
from tune.report.parameters import Parameter
from tune.report.record import Sweep, Trial

MAX_MAPS = 6


def maps(sweep: Sweep, parameters: Sequence[Parameter]) -> list[Chart]:
    """A map for each loss weight and learning rate; without such, of the first two numbers."""
    numbers = [parameter for parameter in parameters if parameter.is_number]
    weights = [one for one in numbers if one.path.rsplit(".", 1)[-1].startswith("lambda")]
    rates = [one for one in numbers if one.path.endswith("lr")]
    pairs = list(product(weights, rates)) or list(combinations(numbers, 2))[:1]
    if not any(trial.score is not None for trial in sweep.trials):
        return []
    return [_map(sweep, across, up) for across, up in pairs[:MAX_MAPS]]


def _map(sweep: Sweep, across: Parameter, up: Parameter) -> Chart:
    scores = [trial.score for trial in sweep.trials if trial.score is not None]
    figure = go.Figure()
    for look, trials in looks_of(sweep):
        placed = [one for one in trials if None not in (across.position(one), up.position(one))]
        figure.add_trace(_marks(sweep, look, [t for t in placed if t.score is None], across, up))
        figure.add_trace(
            _marks(sweep, look, [t for t in placed if t.score is not None], across, up)
        )
    for axis, update in ((across, figure.update_xaxes), (up, figure.update_yaxes)):
        update(title=safe(axis.label), type="log" if axis.is_log else "linear")
    figure.update_layout(
        showlegend=False,
        coloraxis={
            "colorscale": "Viridis",
            "reversescale": sweep.metric.mode == "min",
            "cmin": min(scores),
            "cmax": max(scores),
            "colorbar": {"thickness": 10, "outlinewidth": 0},
        },
    )
    note = (
        f"Colour: {score_label(sweep)}; grey has none. Size: steps trained. Marks as in the "
        "learning curves."
    )
    return draw(f"{across.label} and {up.label}", figure, note=note, height=400)


def _marks(
    sweep: Sweep, look: Look, trials: Sequence[Trial], across: Parameter, up: Parameter
) -> go.Scatter:
    """Trials of one look; either all of them have a score, or none has."""
    special = look.symbol in ("star", "diamond")
    scores = [trial.score for trial in trials if trial.score is not None]
    return go.Scatter(
        x=[across.value(trial) for trial in trials],
        y=[up.value(trial) for trial in trials],
        name=look.title,
        mode="markers",
        marker={
            "symbol": look.symbol,
            "opacity": 1,
            "size": [_size(sweep, trial) + 4 * special for trial in trials],
            "color": scores or NEUTRAL,
            "coloraxis": "coloraxis" if scores else None,
            "line": {"width": 1.5 if special else 0.5, "color": "rgba(128,128,128,0.9)"},
        },
        hovertemplate=[f"{hover(sweep, trial)}<extra></extra>" for trial in trials],
    )


def _size(sweep: Sweep, trial: Trial) -> float:
    return 9 + 9 * trial.steps / max(sweep.max_steps, 1)
