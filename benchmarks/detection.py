"""What does adaptation gain a detector? Boxes of procedural streets, clean -> fog, equal steps.

    python benchmarks/detection.py [--steps 600] [--seeds 1 2 3] [--methods ...]
    python benchmarks/detection.py --table        # the table of what is there

Each training is this process with one thread, and leaves a file in benchmarks/results/detection/;
what has one is not trained again, so that the table may be filled over days. The last snapshot,
which is what a run without target labels ends with, and the best one, chosen on other labelled
images in fog, are reported on images that no choice was made on. The shards are drawn where they
are missing.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from record import keep
from snapshots import train_alone

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.data.evaluation_loader import EvaluationLoader
from advent_dist.experiments import experiment
from advent_dist.parallel.world import World
from advent_dist.runs.classes import classes_of
from advent_dist.training.assembly import build_method
from advent_dist.training.progress import Progress, Scores
from advent_dist.training.tasks import task_of
from shards.streets_data import ensure_streets

METHODS = ("source_only", "minent", "advent", "oracle")
NUMBERS = {"map50": "mAP", "map": "mAP at 0.5 to 0.95", "voc_ap50": "mAP of VOC"}
QUESTION = "What does adaptation gain a detector, on boxes of procedural streets, clean -> fog?"
RESULTS = Path(__file__).parent / "results" / "detection"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train what has no result yet; then print the table."""

    work: Path = Path("runs/detection")
    """Folder for the shards."""

    methods: tuple[str, ...] = METHODS
    """Which of the `streets_boxes_*` experiments."""

    seeds: tuple[int, ...] = (1, 2, 3)
    """One training a seed and method."""

    steps: int = 600
    """Of each training, which is scored at each third."""

    set: tuple[str, ...] = ()
    """Other values of the experiments, PATH=VALUE; they are in the names of the results."""

    table: bool = False
    """Train nothing."""


def main() -> None:
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    changes = dict(word.split("=", 1) for word in options.set)
    for seed in options.seeds:
        for method in options.methods:
            name = "_".join((method, str(options.steps), *changes.values(), str(seed)))
            out = RESULTS / f"{name}.json"
            if options.table or out.exists():
                continue
            chosen = override(
                experiment(f"streets_boxes_{method}"),
                {
                    "data.root": str((options.work / "data").resolve()),
                    "run.seed": seed,
                    "run.steps": options.steps,
                    "run.evaluate_every": options.steps // 3,
                    "optimizer.horizon": options.steps,
                    "engine.kind": "local",
                    "cluster.workers": 1,
                    **changes,
                },
            )
            row = {"method": method, "seed": seed, "steps": options.steps, "set": changes}
            row["snapshots"] = train_and_score(chosen)
            RESULTS.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(row, indent=1) + "\n")
            last = row["snapshots"][-1]
            sys.stderr.write(
                f"{out.name}: tune {last['tune']['map50']:.1f}, held out "
                f"{last['held_out']['map50']:.1f}, {last['seconds']:.0f} s\n"
            )
    rows = [json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))]
    rows = [scored(row) for row in rows if (row["steps"], row["set"]) == (options.steps, changes)]
    if rows:
        sys.stdout.write(table(rows))
        keep(RESULTS.with_suffix(".json"), question=QUESTION, ratios=gains(rows), rows=rows)


def train_and_score(chosen: Experiment) -> list[dict[str, Any]]:
    """Train on one rank; of each snapshot its step, CPU seconds of the steps so far, and scores."""
    ensure_streets(chosen.data)
    world, classes, task = World(), classes_of(chosen), task_of(chosen)
    method = build_method(chosen, world, torch.full((classes.num_classes,), 1.0))
    detector, progress = method.engines["detector"], Progress(selected_by="target_map")
    snapshots: list[dict[str, Any]] = []
    spent, began = 0.0, time.process_time()

    def scores() -> Scores:
        nonlocal spent, began
        spent += time.process_time() - began
        row: dict[str, Any] = {"step": progress.step, "seconds": round(spent, 1)}
        detector.module.eval()
        for name, folder in (("tune", "evaluation"), ("held_out", "held_out")):
            images = EvaluationLoader(
                chosen.data, getattr(chosen.data, folder), rank=0, world_size=1
            )
            row[name] = task.score(detector, images, classes, world)
            images.close()
        detector.module.train()
        snapshots.append(row)
        began = time.process_time()
        return Scores(step=progress.step, target=row["tune"])

    train_alone(chosen, method, progress, scores)
    return snapshots


def scored(row: dict[str, Any]) -> dict[str, Any]:
    """A training with its last snapshot, and the best one as chosen on `tune`."""
    best = max(row["snapshots"], key=lambda one: one["tune"]["map50"])
    return {**row, "last": row["snapshots"][-1]["held_out"], "best": best["held_out"]}


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
