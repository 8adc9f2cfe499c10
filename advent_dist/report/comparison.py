"""The page that compares runs, such as source only against adapted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from advent_dist.config.selection import TARGET_MAP
from advent_dist.errors import ConfigError
from advent_dist.report.charts import charts_of_runs
from advent_dist.report.page import Page, Section, curves, pictures, render
from advent_dist.report.record import SNAPSHOTS, Panel, RunRecord
from advent_dist.report.run import reading
from advent_dist.report.tables import config_table, overview, palette_of, per_class


def comparison_report(
    title: str,
    runs: Sequence[RunRecord],
    baseline: str,
    *,
    notes: Sequence[str] = (),
    verdicts: Sequence[str] = (),
    panels: Sequence[Panel] = (),
) -> str:
    """The page of several runs on one target: numbers, differences to a baseline, pictures, curves.

    Args:
        title: heading of the page.
        runs: the runs, with different names, in the order in which they are shown.
        baseline: name of the run that the others are compared with.
        notes: paragraphs below the heading.
        verdicts: what each run is to the baseline, where all were scored on the same images;
            without any the page says how to get them.
        panels: pictures that show all runs (see `pictures.panel`); those of each run are left out.

    Returns:
        A self-contained HTML page.

    Raises:
        ConfigError: no run is called `baseline`, or two share a name.
    """
    by_name = {run.name: run for run in runs}
    if baseline not in by_name:
        raise ConfigError(f"baseline = {baseline!r}: no such run; choose from {list(by_name)}")
    if len(by_name) < len(runs):
        raise ConfigError(f"runs = {[run.name for run in runs]}: give each run a name of its own")
    palette = palette_of(by_name[baseline].classes)
    labelled = any(run.is_labelled for run in runs)
    by_snapshot = [
        per_class(
            f", {snapshot} snapshot",
            by_name[baseline].accuracy,
            {name: run.evaluation(snapshot) for name, run in by_name.items()},
            palette,
            baseline,
        )
        for snapshot in (SNAPSHOTS if labelled else ())
    ]
    return render(
        Page(
            title=title,
            notes=[*(verdicts or [_how_to_judge(runs)]), *notes, reading(runs)],
            sections=[
                Section(title="", tables=[overview(runs, by_name[baseline]), *by_snapshot]),
                pictures(panels),
                curves(charts_of_runs(runs)),
                Section(
                    title="",
                    folded=[
                        config_table(runs, "Configs, where they differ", differing=True),
                        config_table(runs, "Configs, complete"),
                    ],
                ),
            ],
        )
    )


def _how_to_judge(runs: Sequence[RunRecord]) -> str:
    """The command for what a difference alone does not say."""
    if runs[0].accuracy.target == TARGET_MAP:
        return (
            "These differences are not told from chance, which average precision can't be image by "
            "image: train with several seeds, and look at their spread."
        )
    urls = shlex.join(run.url for run in runs)
    return (
        "These differences are not yet told from chance. Intervals and a verdict, on labelled "
        f"target images: advent-dist report {urls} --data SHARDS --out PAGE"
    )
