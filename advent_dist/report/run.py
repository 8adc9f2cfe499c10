"""The page of one run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from advent_dist.config import SourceOnlyConfig
from advent_dist.config.selection import TARGET_MAP, by_target_labels, chosen_by
from advent_dist.report.charts import charts_of_run
from advent_dist.report.page import Page, Section, curves, pictures, render
from advent_dist.report.record import SNAPSHOTS, RunRecord
from advent_dist.report.tables import config_table, overview, palette_of, per_class

_LABELLED = (
    "{scores} are in percent, entropy and AUROC in 0 to 1. The last snapshot is what a run "
    "without target labels ends with. The best one is chosen by the labels of the run's own "
    "evaluation images: where the numbers are of those same images, it flatters."
)

_SCORES = {"IoU": "IoU and accuracy", "AP": "AP and mAP, at an IoU of 0.5,"}


def reading(runs: Sequence[RunRecord]) -> str:
    """How to read the numbers of runs: what chose their best snapshots, above all."""
    chosen = sorted({chosen_by(run.selected_by) for run in runs})
    if all(by_target_labels(run.selected_by) for run in runs):
        return _LABELLED.format(scores=_SCORES[runs[0].accuracy.of_class])
    return (
        f"The best snapshot is chosen by {', or by '.join(chosen)}. Entropy, information "
        "maximisation and diversity are in 0 to 1, SND in nats; they say how certain and how "
        "varied predictions are, and not whether they are right. "
        f"{_SCORES[runs[0].accuracy.of_class]}, where there are some, are in percent."
    )


def run_report(run: RunRecord, verdict: str | None = None) -> str:
    """The page of one run: numbers of the last and the best snapshot, pictures, curves, config.

    Args:
        run: the run; see `record.read_run`.
        verdict: whether adaptation helped it, where that is known.

    Returns:
        A self-contained HTML page.
    """
    columns = {snapshot: run.evaluation(snapshot) for snapshot in SNAPSHOTS}
    tables = [overview([run])]
    if run.is_labelled:
        tables.append(per_class("", run.accuracy, columns, palette_of(run.classes)))
    return render(
        Page(
            title=run.name,
            notes=[
                _in_short(run),
                *(_how_to_judge(run) if verdict is None else [verdict]),
                reading([run]),
            ],
            sections=[
                Section(title="", tables=tables),
                pictures(run.panels),
                curves(charts_of_run(run)),
                Section(title="", folded=[config_table([run], "Config")]),
            ],
        )
    )


def _how_to_judge(run: RunRecord) -> list[str]:
    """The commands that say whether adaptation helped; nothing of a run without any."""
    if run.method in (None, SourceOnlyConfig.name) or run.accuracy.target == TARGET_MAP:
        return []
    config, url = shlex.quote(f"{run.url}/config.json"), shlex.quote(run.url)
    if run.is_labelled or run.config.get("data", {}).get("held_out") is not None:
        images, flag = "labelled images of data.held_out or data.evaluation", ""
    else:
        images, flag = "labelled target images, which this run has none of", " --data SHARDS"
    return [
        f"Whether adaptation helped is told by the same training without it, and by {images}: "
        f"advent-dist train --config {config} --source-only; advent-dist report {url}{flag}"
    ]


def _in_short(run: RunRecord) -> str:
    """One sentence on what was run, from those fields that the config has."""
    parts = {
        "method": ("method", "name"),
        "network": ("model", "encoder"),
        "detector": ("model", "detector"),
        "source": ("data", "source"),
        "target": ("data", "target"),
        "steps": ("run", "steps"),
        "seed": ("run", "seed"),
        "workers": ("cluster", "workers"),
    }
    values = {
        word: run.config.get(section, {}).get(name) for word, (section, name) in parts.items()
    }
    return ", ".join(f"{word} {value}" for word, value in values.items() if value is not None)
