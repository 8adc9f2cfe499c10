"""What the sweep found: the retrained configurations on images that chose nothing."""

from __future__ import annotations

import html

import plotly.graph_objects as go

from advent_dist.report.drawing import COLOURS, NEUTRAL, Chart, draw
from advent_dist.report.page import Section
from advent_dist.report.record import SNAPSHOTS, built_in_classes
from advent_dist.report.tables import Cell, Row, Table, difference, number, palette_of, per_class
from tune.report.choice import best_trial, published_trial, score_label
from tune.report.configurations import TITLES, configurations
from tune.report.record import Sweep, Trial
from tune.report.seeds import evaluations_of, over_seeds


def results(sweep: Sweep) -> Section:
    """The table of the retrained configurations; before those, what the trials say."""
    seeds = max(len(evaluations_of(sweep.finals, which, "last")) for which in TITLES)
    if not seeds:
        return _by_trials(sweep)
    note = (
        f"Each configuration was trained to the end on up to {seeds} seeds and evaluated once on "
        f"{sweep.report_folder}, images that no choice was made on. Mean and sample standard "
        "deviation over the seeds, IoU in percent. The last snapshot is what a run without target "
        f"labels ends with; the best one was chosen on {sweep.tune_folder}."
    )
    last, best = (_per_class(sweep, snapshot) for snapshot in SNAPSHOTS)
    return Section(
        title="Results",
        notes=[note],
        tables=[_overview(sweep), last],
        charts=[_changes(sweep)],
        folded=[best, _each_seed(sweep)],
    )


def _overview(sweep: Sweep) -> Table:
    rows = []
    for which, title in configurations(sweep).items():
        for snapshot in SNAPSHOTS:
            found = evaluations_of(sweep.finals, which, snapshot)
            base, _ = over_seeds(evaluations_of(sweep.finals, "source_only", snapshot))
            mean, spread = over_seeds(found)
            cells = [
                Cell(snapshot),
                Cell(str(len(found))),
                number(mean.get("miou"), spread=spread.get("miou")),
                Cell("")
                if which == "source_only"
                else difference(mean.get("miou"), base.get("miou")),
                number(mean.get("pixel_accuracy"), spread=spread.get("pixel_accuracy")),
                number(mean.get("mean_entropy"), 3, spread.get("mean_entropy")),
                number(mean.get("live_classes")),
            ]
            rows.append(Row(name=title, cells=cells, strong=which == "best"))
    header = [
        "Configuration",
        "Snapshot",
        "Seeds",
        "mIoU",
        "against source only",
        "Pixel accuracy",
        "Entropy",
        "Live classes",
    ]
    return Table(caption="On the reporting images", header=header, rows=rows)


def _per_class(sweep: Sweep, snapshot: str) -> Table:
    numbers = {
        title: over_seeds(evaluations_of(sweep.finals, which, snapshot))
        for which, title in configurations(sweep).items()
    }
    return per_class(
        f"IoU of each class, {snapshot} snapshot",
        {title: mean for title, (mean, _) in numbers.items()},
        palette_of(sweep.classes or built_in_classes(sweep.experiment)),
        TITLES["source_only"],
        {title: spread for title, (_, spread) in numbers.items()},
    )


def _changes(sweep: Sweep) -> Chart:
    """Bars of what each class gained over source only."""
    base, _ = over_seeds(evaluations_of(sweep.finals, "source_only", "last"))
    figure, classes, titles = go.Figure(), 0, configurations(sweep)
    for which, colour in (("best", COLOURS[0]), ("published", NEUTRAL)):
        if which not in titles:
            continue
        mean, _ = over_seeds(evaluations_of(sweep.finals, which, "last"))
        changes = {
            name: iou - base["per_class"][name]
            for name, iou in mean.get("per_class", {}).items()
            if iou is not None and base.get("per_class", {}).get(name) is not None
        }
        classes = max(classes, len(changes))
        figure.add_bar(
            x=list(changes.values()),
            y=[html.escape(name) for name in changes],
            name=titles[which],
            orientation="h",
            marker={"color": colour},
            hovertemplate="%{y}: %{x:+.1f}<extra></extra>",
        )
    figure.update_xaxes(title="points of IoU")
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(showlegend=True, bargap=0.3)
    return draw("Change against source only, last snapshot", figure, height=160 + 26 * classes)


def _each_seed(sweep: Sweep) -> Table:
    titles = configurations(sweep)
    rows = [
        Row(
            name=titles[final.which],
            cells=[
                Cell(str(final.seed)),
                Cell(final.state),
                *(number((final.evaluation(s) or {}).get("miou"), 2) for s in SNAPSHOTS),
            ],
        )
        for final in sweep.finals
    ]
    header = ["Configuration", "Seed", "State", "mIoU, last", "mIoU, best"]
    return Table(caption="Each seed", header=header, rows=rows)


def _by_trials(sweep: Sweep) -> Section:
    best, published = best_trial(sweep), published_trial(sweep)
    note = (
        "No configuration has been retrained and evaluated on the reporting images yet. Until then "
        "only the trials speak: one seed each, on the very images that choose, so the best of them "
        "flatters."
    )
    if best is None:
        return Section(title="Results", notes=[note, "No trial has been evaluated yet."])
    rows = [_trial_row("best so far", best)]
    if published is not None:
        rows.insert(0, _trial_row(TITLES["published"], published))
    header = ["Configuration", "Trial", "State", "Steps", "Last score", "Best score"]
    caption = f"On the tuning images: {score_label(sweep)}"
    return Section(
        title="Results", notes=[note], tables=[Table(caption=caption, header=header, rows=rows)]
    )


def _trial_row(title: str, trial: Trial) -> Row:
    cells = [
        Cell(trial.id),
        Cell(trial.state),
        Cell(str(trial.steps)),
        number(trial.score, 2),
        number(trial.best_score, 2),
    ]
    return Row(name=title, cells=cells)
