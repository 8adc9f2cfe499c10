"""`advent-dist demo`: the whole chain on this machine, from an S3 server to a report."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from advent_dist.config import Call, Experiment
from advent_dist.config.override import override
from advent_dist.errors import ConfigError, DataError
from advent_dist.experiments import experiment

BASELINE, ADAPTED = "source_only", ("advent", "dacs")
HELD_OUT = "streets/dusk/val"
"""Target images that neither train a model nor choose its best step."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Train source-only, AdvEnt and DACS on procedural streets; compare them on held-out images."""

    out: Path = Path("runs/demo")
    """Local folder for the runs, report.html and summary.json."""

    overwrite: bool = False
    """Replace an earlier demo in that folder."""

    steps: int = 120
    """Optimiser steps of each training."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    options = tyro.cli(Demo, args=arguments, prog="advent-dist demo")
    # Networks and Ray: seconds of imports, which `--help` should not take.
    from advent_dist.data.store import local_path, open_folder
    from advent_dist.runs.folder import REPORT_FILE, SUMMARY_FILE
    from cluster.connection import ray_cluster
    from cluster.launch import launch
    from shards.local_s3 import local_s3
    from shards.streets_data import build_streets_data

    options = replace(options, out=local_path("--out", options.out))
    _check_out(options.out, (REPORT_FILE, SUMMARY_FILE), overwrite=options.overwrite)
    start = time.monotonic()
    # The demo's S3 server is for this machine alone, and so is its Ray.
    os.environ.pop("RAY_ADDRESS", None)
    with tempfile.TemporaryDirectory() as folder, local_s3(Path(folder)) as environment:
        os.environ |= environment
        Path(folder, "demo").mkdir()
        _say("building streets shards into s3://demo")
        build_streets_data("s3://demo")
        chosen = {name: _experiment(name, options) for name in (BASELINE, *ADAPTED)}
        with ray_cluster(chosen[BASELINE].cluster):
            for name, one in chosen.items():
                _say(f"training {name} on {one.cluster.workers} workers for {options.steps} steps")
                launch(one, Call(overwrite=options.overwrite))
        _say(f"evaluating on {HELD_OUT}")
        summary = _compare(options.out, chosen)
    summary["minutes"] = round((time.monotonic() - start) / 60, 1)
    open_folder(str(options.out)).write(SUMMARY_FILE, json.dumps(summary, indent=1).encode())
    for name in (BASELINE, *ADAPTED):
        last, best = summary["target_miou"][name]["last"], summary["target_miou"][name]["best"]
        sys.stdout.write(f"{name:12} target mIoU  last {last:5.1f}  best {best:5.1f}\n")
    for name, verdict in summary["verdict"].items():
        sys.stdout.write(f"{name}: {verdict}\n")
    sys.stdout.write(f"{options.out / REPORT_FILE}\n")
    return 0


def _check_out(out: Path, files: Sequence[str], *, overwrite: bool) -> None:
    """Refuse a folder that holds a demo already, or anything else that one would replace."""
    taken = [name for name in files if (out / name).exists()]
    if taken and not overwrite:
        raise ConfigError(
            f"--out {out} holds {' and '.join(taken)} already; replace an earlier demo "
            "with --overwrite, or give another --out"
        )
    others = [name for name in taken if not _is_ours((out / name).read_bytes())]
    if others:
        raise ConfigError(
            f"--out {out}: {' and '.join(others)} there is of no demo of advent-dist, and would be "
            "replaced; give another --out"
        )


def _is_ours(file: bytes) -> bool:
    """Whether a page or a summary is a demo's."""
    from advent_dist.json_text import json_object
    from advent_dist.report.page import is_page

    try:
        return is_page(file) or {"held_out", "target_miou"} <= json_object(file, "").keys()
    except DataError:
        return False


def _experiment(name: str, options: Demo) -> Experiment:
    return override(
        experiment(f"streets_{name}"),
        {
            "data.root": "s3://demo",
            "run.storage": str(options.out),
            "run.name": name,
            "run.steps": options.steps,
            "optimizer.horizon": options.steps,
        },
    )


def _compare(out: Path, chosen: dict[str, Experiment]) -> dict[str, Any]:
    """Score all runs on the held-out images, write the page, and return the summary."""
    from advent_dist.commands.run_page import write_report
    from advent_dist.data.store import open_folder
    from advent_dist.report import comparison_report, read_run
    from advent_dist.runs.comparing import compare_with_first
    from advent_dist.runs.folder import REPORT_FILE, RunFolder
    from advent_dist.runs.panels import draw_panels
    from advent_dist.runs.scoring import rescored
    from advent_dist.runs.trained import available_device, load_run

    held_out = f"{chosen[BASELINE].data.root}/{HELD_OUT}"
    runs = {name: RunFolder.of(one) for name, one in chosen.items()}
    for run in runs.values():
        write_report(run)
    records = [rescored(read_run(run.url), held_out) for run in runs.values()]
    judged = compare_with_first([run.url for run in runs.values()], "last", held_out)
    device = available_device()
    models = {name: load_run(run.url, "last", device) for name, run in runs.items()}
    page = comparison_report(
        "Clean streets to streets at dusk: source-only against AdvEnt and DACS",
        records,
        BASELINE,
        notes=[f"Scores and pictures are of {HELD_OUT}, which no training and no choice has seen."],
        verdicts=[f"{name}: {one.verdict}" for name, one in zip(ADAPTED, judged, strict=True)],
        panels=draw_panels(models, held_out),
    )
    open_folder(str(out)).write(REPORT_FILE, page.encode())
    return {
        "held_out": HELD_OUT,
        "target_miou": {
            record.name: {which: one["miou"] for which, one in record.evaluations.items()}
            for record in records
        },
        "per_class": {record.name: record.evaluation("last")["per_class"] for record in records},
        "verdict": {name: one.verdict for name, one in zip(ADAPTED, judged, strict=True)},
        "comparison": {
            name: one.comparison.to_json() for name, one in zip(ADAPTED, judged, strict=True)
        },
    }


def _say(what: str) -> None:
    sys.stderr.write(f"-- {what}\n")
