"""What the sweep found: the retrained configurations on images that chose nothing."""

from __future__ import annotations

import html

import plotly.graph_objects as go

from advent_dist.config.selection import TARGET_MAP, TARGET_MIOU
from advent_dist.report.drawing import COLOURS, NEUTRAL, Chart, draw
from advent_dist.report.page import Section
from advent_dist.report.record import SNAPSHOTS, built_in_classes
from advent_dist.report.tables import (
    WITHOUT_LABELS,
    Cell,
    Row,
    Table,
    difference,
    number,
    palette_of,
    per_class,
)
from tune.report.choice import best_trial, measure_of, published_trial, score_label
from tune.report.configurations import TITLES, configurations
from tune.report.record import Sweep, Trial
from tune.report.seeds import evaluations_of, over_seeds

_WITH_LABELS = {
    TARGET_MIOU: {
        "pixel_accuracy": ("Pixel accuracy", 1, True),
        "mean_entropy": ("Entropy", 3, True),
        "live_classes": ("Live classes", 1, False),
    },
    TARGET_MAP: {
        "map75": ("mAP at 0.75", 1, True),
        "map": ("mAP at 0.5 to 0.95", 1, True),
        "mean_entropy": ("Entropy", 3, True),
        "live_classes": ("Live classes", 1, False),
    },
}
"""What is scored -> name in an evaluation -> heading, decimals, whether its spread is shown."""


def _without_labels(accuracy: str) -> dict[str, tuple[str, int, bool]]:
    """The same of what needs no label."""
    numbers = WITHOUT_LABELS[accuracy].items()
    shown = {name: (heading, digits, True) for name, (heading, digits) in numbers}
    return {**shown, "live_classes": ("Live classes", 1, False)}


def results(sweep: Sweep) -> Section:
    """The table of the retrained configurations; before those, what the trials say."""
    seeds = max(len(evaluations_of(sweep.finals, which, "last")) for which in TITLES)
    if not seeds:
        return _by_trials(sweep)
    last = [_per_class(sweep, "last")] if sweep.scored_by_labels else []
    best = [_per_class(sweep, "best")] if sweep.scored_by_labels else []
    return Section(
        title="Results",
        notes=[_note(sweep, seeds)],
        tables=[_overview(sweep), *last],
        charts=[_changes(sweep)] if sweep.scored_by_labels else [],
        folded=[*best, _each_seed(sweep)],
    )


def _note(sweep: Sweep, seeds: int) -> str:
    """How the numbers came about, and what chose."""
    trained = f"Each configuration was trained to the end on up to {seeds} seeds and evaluated once"
    spread = "Mean and sample standard deviation over the seeds"
    percent = f", {sweep.accuracy.of_class} in percent" if sweep.scored_by_labels else ""
    if sweep.report_folder is None:
        where = f"on {sweep.tune_folder}, the images that the choices were made on, too"
    else:
        where = f"on {sweep.report_folder}, images that no choice was made on"
    shared = next((one.values for one in sweep.finals if one.which == "source_only"), {})
    terms = f" Source only has of the best values {', '.join(shared)}, too." if shared else ""
    if sweep.chosen_by_labels:
        chosen = f"the best one was chosen on {sweep.tune_folder}"
        last = "The last snapshot is what a run without target labels ends with"
        return f"{trained} {where}.{terms} {spread}{percent}. {last}; {chosen}."
    chosen = f"The best snapshot was chosen by {sweep.metric.name} on {sweep.tune_folder}"
    return f"{trained} {where}.{terms} {spread}{percent}. {chosen}: no target label was used."


def _overview(sweep: Sweep) -> Table:
    labelled = sweep.scored_by_labels
    accuracy = sweep.accuracy
    with_labels = labelled and sweep.chosen_by_labels
    of = accuracy.target
    numbers = _WITH_LABELS[of] if with_labels else _without_labels(of)
    rows = []
    for which, title in configurations(sweep).items():
        for snapshot in SNAPSHOTS:
            found = evaluations_of(sweep.finals, which, snapshot)
            base, _ = over_seeds(evaluations_of(sweep.finals, "source_only", snapshot))
            mean, spread = over_seeds(found)
            cells = [Cell(snapshot), Cell(str(len(found)))]
            if labelled:
                name = accuracy.number
                change = difference(mean.get(name), base.get(name))
                cells.append(number(mean.get(name), spread=spread.get(name)))
                cells.append(Cell("") if which == "source_only" else change)
            cells += [
                number(mean.get(name), decimals, spread.get(name) if spreads else None)
                for name, (_, decimals, spreads) in numbers.items()
            ]
            rows.append(Row(name=title, cells=cells, strong=which == "best"))
    header = ["Configuration", "Snapshot", "Seeds"]
    header += [accuracy.short, "against source only"] if labelled else []
    header += [heading for heading, *_ in numbers.values()]
    return Table(caption="On the reporting images", header=header, rows=rows)


def _per_class(sweep: Sweep, snapshot: str) -> Table:
    numbers = {
        title: over_seeds(evaluations_of(sweep.finals, which, snapshot))
        for which, title in configurations(sweep).items()
    }
    return per_class(
        f", {snapshot} snapshot",
        sweep.accuracy,
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
            name: score - base["per_class"][name]
            for name, score in mean.get("per_class", {}).items()
            if score is not None and base.get("per_class", {}).get(name) is not None
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
    figure.update_xaxes(title=f"points of {sweep.accuracy.of_class}")
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(showlegend=True, bargap=0.3)
    return draw("Change against source only, last snapshot", figure, height=160 + 26 * classes)


def _each_seed(sweep: Sweep) -> Table:
    titles, measure = configurations(sweep), measure_of(sweep)
    digits = measure.decimals + 1
    rows = [
        Row(
            name=titles[final.which],
            cells=[
                Cell(str(final.seed)),
                Cell(final.state),
                *(
                    number((final.evaluation(s) or {}).get(measure.number), digits)
                    for s in SNAPSHOTS
                ),
            ],
        )
        for final in sweep.finals
    ]
    header = ["Configuration", "Seed", "State", *(f"{measure.short}, {s}" for s in SNAPSHOTS)]
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
