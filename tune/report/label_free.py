"""The section on criteria that need no target label."""

from __future__ import annotations

import plotly.graph_objects as go

from advent_dist.report.drawing import Chart, draw
from advent_dist.report.page import Section
from advent_dist.report.tables import Cell, Row, Table, number
from tune.report.criteria import CRITERIA, Criterion, judge, points_of, random_regret
from tune.report.looks import hover, looks_of
from tune.report.record import Sweep
from tune.report.views import views

TITLE = "Choosing without labels"

_NOTES = (
    "In a real adaptation there are no target labels to choose by. A criterion that needs none is "
    "judged here by the labels of the tuning images: by its rank correlation with accuracy "
    "(Spearman; 1 is the same order, signs are turned so that more is better), and by its regret, "
    "the points of accuracy that are lost by taking what it likes best.",
    "Trials are compared at one step, as the scheduler does; where each of them ended; and over "
    "all evaluations, as in choosing a checkpoint. The last two mix short and long trainings, so "
    "whatever grows with the steps correlates. Failed and collapsed trials are left out: they are "
    "recognised without labels.",
)


_NO_LABELS = (
    "There are no labels on the images that choose, so that nothing here can say how well the "
    "criterion has chosen. What it was worth where labels were held back is in the documentation "
    "(docs/label_free.md)."
)


def label_free(sweep: Sweep) -> Section:
    """Rank correlation and regret of each criterion, and a plot of each."""
    known = [one for one in CRITERIA if points_of(sweep.trials, one)]
    if not known and not sweep.chosen_by_labels:
        return Section(title=TITLE, notes=[_NO_LABELS])
    if not known:
        missing = "No evaluation has both target accuracy and a criterion that needs no labels."
        return Section(title=TITLE, notes=[missing])
    return Section(
        title=TITLE,
        notes=_NOTES,
        tables=[_table(sweep, known)],
        charts=[_chart(sweep, one) for one in known],
    )


def _table(sweep: Sweep, criteria: list[Criterion]) -> Table:
    rows, header = [], ["Criterion", "Good is"]
    for one in criteria:
        cells = [Cell("high" if one.mode == "max" else "low")]
        for view in views(sweep, one):
            verdict = judge(view.points, one.mode)
            cells += [number(verdict.correlation, 2), number(verdict.regret)]
        rows.append(Row(name=one.title, cells=[*cells, Cell(one.source, "prose")]))
    blind = [Cell("")]
    for view in views(sweep, criteria[0]):
        blind += [Cell(""), number(random_regret(view.points))]
        header += [f"Correlation, {view.title} ({len(view.points)})", "Regret"]
    rows.append(Row(name="A blind choice, on average", cells=[*blind, Cell("", "prose")]))
    return Table(
        caption="Rank correlation with target accuracy, and regret in its points",
        header=[*header, "Proposed in"],
        rows=rows,
    )


def _chart(sweep: Sweep, criterion: Criterion) -> Chart:
    """Criterion against accuracy: a large mark where a trial ended, small ones on its way."""
    figure, short = go.Figure(), sweep.accuracy.short
    for look, trials in looks_of(sweep):
        ends = [(trial, found[-1]) for trial in trials if (found := points_of([trial], criterion))]
        every = points_of(trials, criterion)
        figure.add_scatter(
            x=[point.value for point in every],
            y=[point.accuracy for point in every],
            mode="markers",
            marker={"size": 4, "color": look.colour, "opacity": 0.25},
            legendgroup=look.title,
            showlegend=False,
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=[point.value for _, point in ends],
            y=[point.accuracy for _, point in ends],
            name=look.title,
            legendgroup=look.title,
            mode="markers",
            marker={"symbol": look.symbol, "size": 9, "color": look.colour},
            hovertemplate=[
                f"%{{x:.4g}}, {short} %{{y:.1f}}<br>{hover(sweep, trial)}<extra></extra>"
                for trial, _ in ends
            ],
        )
    good = "high" if criterion.mode == "max" else "low"
    figure.update_xaxes(title=f"{criterion.title} ({good} is good)")
    figure.update_yaxes(title=f"target {short}, percent")
    figure.update_layout(showlegend=True)
    return draw(criterion.title, figure)
