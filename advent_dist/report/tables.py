"""Tables of a report: overview, scores of each class, configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from advent_dist.config.selection import TARGET_MAP, TARGET_MIOU, Accuracy, by_target_labels
from advent_dist.data.classes import ClassSet, Colour
from advent_dist.report.record import SNAPSHOTS, RunRecord

ABSENT = "\N{EN DASH}"

_WITH_LABELS = {
    TARGET_MIOU: {
        "pixel_accuracy": ("Pixel accuracy", 1),
        "mean_entropy": ("Entropy", 3),
        "boundary_entropy": ("Boundary entropy", 3),
        "interior_entropy": ("Interior entropy", 3),
        "error_auroc": ("Error AUROC", 3),
        "live_classes": ("Live classes", 0),
    },
    TARGET_MAP: {
        "map75": ("mAP at 0.75", 1),
        "map": ("mAP at 0.5 to 0.95", 1),
        "voc_ap50": ("mAP of VOC", 1),
        "mean_entropy": ("Entropy", 3),
        "live_classes": ("Live classes", 0),
    },
}
"""What is scored -> name in an evaluation -> heading, decimals."""

WITHOUT_LABELS = {
    TARGET_MIOU: {
        "mean_entropy": ("Entropy", 3),
        "information_maximisation": ("Information maximisation", 3),
        "snd": ("SND", 3),
        "diversity": ("Diversity", 3),
        "live_classes": ("Live classes", 0),
    },
    TARGET_MAP: {
        "mean_entropy": ("Entropy", 3),
        "information_maximisation": ("Information maximisation", 3),
        "diversity": ("Diversity", 3),
        "live_classes": ("Live classes", 0),
    },
}
"""The same of what needs no label."""


@dataclass(frozen=True)
class Cell:
    """A number as text."""

    text: str
    """What is shown."""

    kind: str = ""
    """`gain` and `loss` have a colour, `prose` has several lines; or nothing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line."""

    name: str
    """Its first cell."""

    cells: list[Cell]
    """The others."""

    colour: tuple[int, int, int] | None = None
    """RGB of a swatch before the name."""

    strong: bool = False
    """Whether it sums up the rows above."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a caption."""

    caption: str
    """One line."""

    header: list[str]
    """Heading of the first column, then of each cell."""

    rows: list[Row]
    """The lines."""

    @property
    def wide(self) -> bool:
        """Whether it needs too much room to stand beside another."""
        return len(self.header) > 6 or any(
            cell.kind == "prose" for row in self.rows for cell in row.cells
        )


def number(value: int | float | None, decimals: int = 1, spread: float | None = None) -> Cell:
    """A value, with its spread where it has one; a dash for none."""
    if value is None:
        return Cell(ABSENT)
    text = f"{value:.{decimals}f}"
    return Cell(text if spread is None else f"{text} \N{PLUS-MINUS SIGN} {spread:.{decimals}f}")


def difference(value: int | float | None, reference: int | float | None) -> Cell:
    """How much more than a reference a value is, coloured as a gain or a loss."""
    if value is None or reference is None:
        return Cell(ABSENT)
    text = f"{value - reference:+.1f}"
    if float(text) == 0:
        return Cell("0.0")
    return Cell(text.replace("-", "\N{MINUS SIGN}"), "gain" if value > reference else "loss")


def overview(runs: Sequence[RunRecord], baseline: RunRecord | None = None) -> Table:
    """One row for each run and snapshot, with the difference to the baseline's same snapshot.

    Without labels there is no difference: of two models the more certain one need not be better.
    """
    labelled, accuracy = any(run.is_labelled for run in runs), runs[0].accuracy
    evaluations = [e for run in runs for e in run.evaluations.values()]
    subsets = list(dict.fromkeys(name for e in evaluations for name in e.get("subsets", {})))
    numbers = _numbers(runs)
    rows = []
    for run in runs:
        for snapshot in SNAPSHOTS:
            found = run.evaluation(snapshot)
            cells = [Cell(snapshot), number(found.get("step"), 0)]
            if labelled:
                cells.append(number(found.get(accuracy.number)))
            if labelled and baseline is not None:
                reference = baseline.evaluation(snapshot).get(accuracy.number)
                cells.append(difference(found.get(accuracy.number), reference))
            cells += [number(found.get("subsets", {}).get(name)) for name in subsets]
            cells += [number(found.get(name), decimals) for name, (_, decimals) in numbers.items()]
            rows.append(Row(name=run.name, cells=cells))
    header = ["Run", "Snapshot", "Step", *([accuracy.short] if labelled else [])]
    header += [f"against {baseline.name}"] if labelled and baseline is not None else []
    header += [f"{accuracy.short} of {name}" for name in subsets]
    header += [heading for heading, _ in numbers.values()]
    caption = "On the labelled target images" if labelled else "On target images without labels"
    return Table(caption=caption, header=header, rows=rows)


def _numbers(runs: Sequence[RunRecord]) -> dict[str, tuple[str, int]]:
    """What is shown of the runs beside accuracy: what needs labels, what chose without, or both."""
    accuracy = runs[0].accuracy.target
    with_labels = _WITH_LABELS[accuracy] if any(run.is_labelled for run in runs) else {}
    without = all(by_target_labels(run.selected_by) for run in runs)
    return with_labels if without and with_labels else with_labels | WITHOUT_LABELS[accuracy]


def per_class(
    caption: str,
    accuracy: Accuracy,
    columns: Mapping[str, Mapping[str, Any]],
    palette: Mapping[str, tuple[int, int, int]],
    baseline: str | None = None,
    spreads: Mapping[str, Mapping[str, Any]] | None = None,
) -> Table:
    """The score of each class: a column an evaluation, and after it its difference to a baseline.

    Args:
        caption: the table's caption, after what a class is scored by.
        accuracy: what the evaluations score by.
        columns: heading -> evaluation; an empty one shows dashes.
        palette: class name -> RGB.
        baseline: heading of the column that the others are compared with.
        spreads: heading -> an evaluation's numbers as spreads; none shows none.
    """
    scores = {heading: evaluation.get("per_class", {}) for heading, evaluation in columns.items()}
    names = list(dict.fromkeys(name for values in scores.values() for name in values))
    spreads = spreads or {}

    def cells(value_of: Mapping[str, int | float | None], name: str | None = None) -> list[Cell]:
        found = []
        for heading in columns:
            spread = spreads.get(heading, {})
            one = (
                spread.get(accuracy.number)
                if name is None
                else spread.get("per_class", {}).get(name)
            )
            found.append(number(value_of[heading], spread=one))
            if baseline is not None and heading != baseline:
                found.append(difference(value_of[heading], value_of[baseline]))
        return found

    rows = [
        Row(
            name=name,
            cells=cells({heading: values.get(name) for heading, values in scores.items()}, name),
            colour=palette.get(name),
        )
        for name in names
    ]
    means = {heading: evaluation.get(accuracy.number) for heading, evaluation in columns.items()}
    rows.append(Row(name="mean", cells=cells(means), strong=True))
    header = ["Class"]
    for heading in columns:
        compared = baseline is not None and heading != baseline
        header += [heading, "difference"] if compared else [heading]
    return Table(caption=f"{accuracy.of_class} of each class{caption}", header=header, rows=rows)


def palette_of(classes: ClassSet | None) -> dict[str, Colour]:
    """Class name -> colour; empty where the classes are unknown."""
    return {} if classes is None else dict(zip(classes.names, classes.palette, strict=True))


def config_table(runs: Sequence[RunRecord], caption: str, *, differing: bool = False) -> Table:
    """The runs' configs side by side by dotted path; if `differing`, only where they differ."""
    flat = [_flatten(run.config) for run in runs]
    paths = dict.fromkeys(path for config in flat for path in config)
    rows = [
        Row(name=path, cells=[Cell(config.get(path, ABSENT)) for config in flat])
        for path in paths
        if not differing or len({config.get(path) for config in flat}) > 1
    ]
    return Table(caption=caption, header=["Field", *(run.name for run in runs)], rows=rows)


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted path -> value as text."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat
