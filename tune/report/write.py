"""Puts the report of a sweep together and writes it into the sweep's folder."""

from __future__ import annotations

from advent_dist.data.store import open_folder
from advent_dist.report.page import Page, Section, render
from tune.report.curves import learning_curves
from tune.report.export import to_csv, to_json
from tune.report.headline import headline, in_short
from tune.report.label_free import label_free
from tune.report.markdown import to_markdown
from tune.report.panels import left_out, predictions
from tune.report.reading import read_sweep
from tune.report.record import Sweep
from tune.report.results import results
from tune.report.search_plots import parameter_section
from tune.report.spent import spent
from tune.report.trials import failures, trials_table

REPORT_FILE = "report.html"


def write_report(url: str, price_per_hour: float | None = None, *, pictures: bool = True) -> str:
    """Write report.html, report.md, trials.csv and trials.json into a sweep's folder.

    Args:
        url: the sweep's folder, local or s3://; the sweep may be going on.
        price_per_hour: of a GPU, or of a CPU core where trials hold no GPU; none takes the sweep's.
        pictures: Whether the data set's images are shown.

    Returns:
        URL of report.html.

    Raises:
        DataError: there is no sweep, or its sweep.json is damaged.
    """
    sweep = read_sweep(url)
    page = page_of(sweep, price_per_hour, pictures=pictures)
    folder = open_folder(sweep.url)
    folder.write("trials.csv", to_csv(sweep).encode())
    folder.write("trials.json", to_json(sweep).encode())
    folder.write("report.md", to_markdown(page).encode())
    folder.write(REPORT_FILE, render(page).encode())
    return f"{folder.url}/{REPORT_FILE}"


def page_of(sweep: Sweep, price_per_hour: float | None = None, *, pictures: bool = True) -> Page:
    """The page of a sweep."""
    curves = learning_curves(sweep)
    waiting = [] if curves else ["No trial has been evaluated yet."]
    return Page(
        title=sweep.name,
        notes=in_short(sweep),
        contents=True,
        sections=[
            headline(sweep),
            results(sweep),
            Section(
                title="Learning curves",
                notes=waiting,
                charts=curves,
                folded=[trials_table(sweep)],
            ),
            parameter_section(sweep),
            spent(sweep, price_per_hour),
            label_free(sweep),
            predictions(sweep) if pictures else left_out(),
            failures(sweep),
        ],
    )
