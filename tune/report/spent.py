"""Budget used against running all trials to the end, hours and cost."""

from __future__ import annotations

import statistics

import plotly.graph_objects as go

from advent_dist.report.drawing import COLOURS, NEUTRAL, Chart, draw
from advent_dist.report.page import Section
from advent_dist.report.tables import ABSENT, Cell, Row, Table
from tune.report.budget import Budget, budget_of, survivors
from tune.report.record import Sweep


def spent(sweep: Sweep, price_per_hour: float | None) -> Section:
    """The section on steps, hours and cost."""
    budget = budget_of(sweep, price_per_hour)
    chart = _chart(sweep)
    return Section(
        title="Budget",
        tables=[_table(sweep, budget)],
        charts=[] if chart is None else [chart],
    )


def _table(sweep: Sweep, budget: Budget) -> Table:
    begun = sum(trial.state != "pending" for trial in sweep.trials)
    starts = [one.start_seconds for one in sweep.trials[1:] if one.start_seconds is not None]
    retrained = _short(budget.final_hours)
    lines = {
        "Trials begun, of those planned": f"{begun} of {sweep.num_trials}",
        "Steps trained": f"{budget.steps:,}",
        "Steps, had all run to the end": f"{budget.full_steps:,}",
        "Share of the full budget": ABSENT if budget.share is None else f"{budget.share:.0%}",
        "Median seconds to first step, after the first trial": (
            f"{statistics.median(starts):.1f}" if starts else ABSENT
        ),
        "Hours of trials, added up": _short(budget.trial_hours),
        "Hours of retrainings, added up": retrained,
        "Hours by the clock": _short(budget.wall_hours),
        f"{budget.device} hours ({budget.devices:g} a trial)": _short(budget.device_hours),
        "Cost, at the price given": _short(budget.cost),
    }
    rows = [Row(name=name, cells=[Cell(text)]) for name, text in lines.items()]
    return Table(caption="", header=["", ""], rows=rows)


def _short(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3g}"


def _chart(sweep: Sweep) -> Chart | None:
    curve = survivors(sweep.trials, sweep.max_steps)
    begun = curve[0][1]
    if not begun:
        return None
    steps = [step for step, _ in curve]
    figure = go.Figure(
        [
            go.Scatter(
                x=[0, sweep.max_steps, sweep.max_steps],
                y=[begun, begun, 0],
                name="all to the end",
                mode="lines",
                line={"color": NEUTRAL, "dash": "dash", "width": 1.5},
                hoverinfo="skip",
            ),
            go.Scatter(
                x=steps,
                y=[alive for _, alive in curve],
                name="this sweep",
                mode="lines",
                line={"color": COLOURS[0], "shape": "hv", "width": 2},
                fill="tozeroy",
                fillcolor="rgba(47,127,209,0.18)",
                hovertemplate="%{y} trials trained beyond step %{x}<extra></extra>",
            ),
        ]
    )
    figure.update_xaxes(title="optimiser step", range=[0, sweep.max_steps * 1.02])
    figure.update_yaxes(title="trials", rangemode="tozero")
    figure.update_layout(showlegend=True)
    note = "The coloured area is the number of steps trained; the dashed box is the full budget."
    return draw("Trials still training", figure, note=note)
