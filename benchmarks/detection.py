"""What does adaptation gain a detector? Boxes of procedural streets, clean -> fog, equal budgets.

    python benchmarks/detection.py [--quick] [--json FILE] [--seeds 1 2 3] [--methods ...]

Each method trains as often as there are seeds, on two Ray Train workers. The last snapshot, which
is what a run without target labels ends with, and the best one, chosen on other labelled images in
fog, are reported on images that no choice was made on. The shards are drawn where they are missing.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from record import keep

from advent_dist.config import Call
from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.scoring import score
from cluster.connection import ray_cluster
from cluster.launch import launch
from shards.streets_data import ensure_streets

METHODS = ("source_only", "minent", "advent", "oracle")
NUMBERS = {"map50": "mAP", "map": "mAP at 0.5 to 0.95", "voc_ap50": "mAP of VOC"}
QUESTION = "What does adaptation gain a detector, on boxes of procedural streets, clean -> fog?"
RESULTS = Path(__file__).parent / "results" / "detection.json"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train source-only, MinEnt, AdvEnt and the oracle on streets with boxes."""

    work: Path = Path("runs/detection")
    """Folder for shards and runs."""

    methods: tuple[str, ...] = METHODS
    """Which of the `streets_boxes_*` experiments."""

    seeds: tuple[int, ...] = (1, 2, 3)
    """One training a seed and method."""

    steps: int | None = None
    """Of each training; none takes the experiments' own."""

    overwrite: bool = False
    """Replace the runs in that folder."""

    quick: bool = False
    """Twenty steps: does it run?"""

    json: Path | None = None
    """Where the result goes; a full run's default is benchmarks/results/detection.json."""


def main() -> None:
    options = tyro.cli(Options)
    # Of what scores here: two threads wait for each other at each of SSDlite's small layers.
    torch.set_num_threads(1)
    rows = []
    with ray_cluster(experiment("streets_boxes_advent").cluster):
        for seed in options.seeds:
            for method in options.methods:
                rows.append(train(method, seed, options))
                sys.stdout.write(f"{method} seed {seed}: {rows[-1]['last']['map50']:.1f}\n")
    sys.stdout.write(table(rows))
    out = options.json or (None if options.quick else RESULTS)
    keep(out, question=QUESTION, ratios=gains(rows), rows=rows)


def train(method: str, seed: int, options: Options) -> dict[str, Any]:
    """One training and its scores on the held-out images."""
    steps = 20 if options.quick else options.steps
    chosen = override(
        experiment(f"streets_boxes_{method}"),
        {
            "data.root": str((options.work / "data").resolve()),
            "run.storage": str(options.work),
            "run.name": f"{method}_{seed}",
            "run.seed": seed,
            **({} if steps is None else {"run.steps": steps}),
        },
    )
    ensure_streets(chosen.data)
    launch(chosen, Call(overwrite=options.overwrite))
    url, shards = RunFolder.of(chosen).url, f"{chosen.data.root}/{chosen.data.held_out}"
    scores = {which: score([url], which, shards).to_json() for which in ("last", "best")}
    return {"method": method, "seed": seed, "steps": chosen.run.steps, **scores}


def gains(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Mean mAP at an IoU of 0.5 of each method over that of source-only, last snapshot."""
    mean = {
        method: statistics.mean(row["last"]["map50"] for row in rows if row["method"] == method)
        for method in dict.fromkeys(row["method"] for row in rows)
    }
    baseline = mean.get("source_only")
    if not baseline:
        return {}
    return {f"{method} / source_only": value / baseline for method, value in mean.items()}


def table(rows: list[dict[str, Any]]) -> str:
    """Averages and classes of last and best, mean over the seeds, as Markdown."""
    classes = list(rows[0]["last"]["per_class"])
    headings = ["method", "snapshot", *NUMBERS.values(), *classes]
    lines = [f"| {' | '.join(headings)} |", "|" + " --- |" * len(headings)]
    for method in dict.fromkeys(row["method"] for row in rows):
        for which in ("last", "best"):
            scores = [row[which] for row in rows if row["method"] == method]
            cells = [cell([one[number] for one in scores]) for number in NUMBERS]
            cells += [cell([one["per_class"][name] for one in scores]) for name in classes]
            lines.append(f"| {method} | {which} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(values: list[float | None]) -> str:
    """Mean and sample standard deviation of what is known."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = f" ± {statistics.stdev(known):.1f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.1f}{spread}"


if __name__ == "__main__":
    main()
