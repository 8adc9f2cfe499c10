"""What is it worth to choose a snapshot without target labels, and by which criterion?

    python benchmarks/label_free_selection.py --camvid DIR     # trains what has no result yet
    python benchmarks/label_free_selection.py --table          # the table of what is there

Two tasks whose target labels are held back: procedural streets, clean -> dusk, and CamVid by day ->
at dusk (DIR in SegNet's layout, see shards/README.md). Each training is evaluated at six snapshots,
which give all criteria at once: the criteria see training images of the target without labels, as
in a run without `data.evaluation`. The labels only judge: the choice with labels sees the tuning
images, and every choice is worth its mIoU on the held-out ones.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
import tyro
from snapshots import train_and_score

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.config.selection import MEASURES, TARGET_MIOU
from advent_dist.experiments import experiment
from advent_dist.training.progress import Progress, Scores
from shards.camvid import CamVid
from shards.options import BuildOptions
from shards.streets_data import build_streets_data
from shards.write import build

STEPS, SNAPSHOTS, IMAGES = 120, 6, 25
RESULTS = Path(__file__).parent / "results" / "label_free_selection"

METHODS = {
    "source only": "source_only",
    "MinEnt": "minent",
    "AdvEnt": "advent",
    "DACS": "dacs",
    "DAFormer": "daformer",
    "MIC": "mic",
}
"""What is trained -> the ending of the experiment's name."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A source and a target."""

    title: str
    """In the table."""

    changes: dict[str, Any]
    """To the experiment's config."""

    source_evaluation: str
    """Labelled source images that are not trained on."""


_SIZES = ("data.source_size", "data.target_size", "data.evaluation_size")

TASKS = {
    "streets": Task(
        title="streets, clean to dusk",
        changes={},
        source_evaluation="streets/clean/val",
    ),
    "camvid_day_dusk": Task(
        title="CamVid, day to dusk",
        changes={"data.source": "camvid/day/fit", **dict.fromkeys(_SIZES, (128, 96))},
        source_evaluation="camvid/day/val",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train, evaluate at six snapshots, and see what each criterion would have chosen."""

    camvid: Path = Path(os.environ.get("ADVENT_DIST_CAMVID", "camvid"))
    """CamVid in SegNet's layout."""

    work: Path = Path("runs/label_free_selection")
    """Folder for the shards."""

    seeds: tuple[int, ...] = (1, 2, 3)
    """One training a task, method and seed."""

    tasks: tuple[str, ...] = tuple(TASKS)
    """Which of them."""

    table: bool = False
    """Train nothing."""


def main() -> None:
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    for seed, task, method in product(options.seeds, options.tasks, METHODS):
        out = RESULTS / f"{task}_{METHODS[method]}_{seed}.json"
        if not options.table and not out.exists():
            build_shards(task, options)
            snapshots = measure(config(task, method, seed, options), TASKS[task].source_evaluation)
            RESULTS.mkdir(parents=True, exist_ok=True)
            result = {"task": task, "method": method, "seed": seed, "snapshots": snapshots}
            out.write_text(json.dumps(result, indent=1) + "\n")
            sys.stderr.write(f"{out.name}\n")
    sys.stdout.write(table([json.loads(path.read_text()) for path in sorted(RESULTS.glob("*"))]))


def build_shards(task: str, options: Options) -> None:
    """The folders of a task, where they are missing."""
    root = options.work / "data"
    if task == "streets":
        build_streets_data(str(root))
        return
    from camvid_day_dusk import build_shards as build_camvid

    build_camvid(options.camvid, root)
    day = ("0016E5", "0006R0")
    for name, split in (("camvid/day/fit", "train"), ("camvid/day/val", "val")):
        if not (root / name / "manifest.json").exists():
            reader = CamVid(options.camvid, splits=(split,), sequences=day)
            build(reader, str(root / name), BuildOptions())


def config(task: str, method: str, seed: int, options: Options) -> Experiment:
    """One training, on this process alone."""
    return override(
        experiment(f"{task}_{METHODS[method]}"),
        {
            "data.root": str((options.work / "data").resolve()),
            "data.evaluation_images": IMAGES,
            "data.batch_size_per_rank": 2,
            "data.workers_per_rank": 0,
            "engine.kind": "local",
            "optimizer.horizon": STEPS,
            "run.steps": STEPS,
            "run.evaluate_every": STEPS // SNAPSHOTS,
            "run.checkpoint_every": STEPS,
            "run.seed": seed,
            **TASKS[task].changes,
        },
    )


def measure(chosen: Experiment, source_evaluation: str) -> list[dict[str, Any]]:
    """Train and evaluate at each snapshot.

    Returns:
        Of each snapshot the metrics without target labels, as a run has them, and the mIoU on the
        tuning and on the held-out images.
    """
    tune, held_out = chosen.data.evaluation, chosen.data.held_out
    assert tune is not None
    assert held_out is not None
    snapshots = train_and_score(
        chosen,
        {"tune": tune, "held_out": held_out},
        source_evaluation=source_evaluation,
        most={"tune": IMAGES, "source": IMAGES},
    )
    return [
        {
            "step": row["step"],
            **row["label_free"],
            TARGET_MIOU: row["tune"]["miou"],
            "held_out_miou": row["held_out"]["miou"],
        }
        for row in snapshots
    ]


def table(results: list[dict[str, Any]]) -> str:
    """What each choice is worth: held-out mIoU, mean over the seeds, as Markdown.

    Of the ends the worst and the best seed too.
    """
    sections = []
    for task in dict.fromkeys(result["task"] for result in results):
        found = {
            name: [one for one in results if (one["task"], one["method"]) == (task, name)]
            for name in METHODS
        }
        most = max(len(trainings) for trainings in found.values())
        # A method whose trainings are not all there yet would make means of other seeds.
        seeds = {name: trainings for name, trainings in found.items() if len(trainings) == most}
        methods = list(seeds)
        of_task = [one for trainings in seeds.values() for one in trainings]
        counted = ", ".join(f"{name} ({len(found)})" for name, found in seeds.items())
        ends = [trainings for trainings in _by_seed(of_task) if len(trainings) == len(methods)]
        lines = [
            f"| {TASKS[task].title}: chosen by | {' | '.join(methods)} | mean | of the ends |",
            f"| --- |{' ---: |' * (len(methods) + 2)}",
        ]
        for title, choose in CHOICES.items():
            worth = [
                statistics.mean(choose(one["snapshots"])["held_out_miou"] for one in seeds[name])
                for name in methods
            ]
            of_ends = [choose([one["snapshots"][-1] for one in found]) for found in ends]
            last = statistics.mean(one["held_out_miou"] for one in of_ends) if of_ends else None
            cells = [*worth, statistics.mean(worth), None if title == LAST else last]
            shown = ["" if value is None else f"{value:.1f}" for value in cells]
            if title != LAST and len(of_ends) > 1:
                values = [one["held_out_miou"] for one in of_ends]
                shown[-1] += f" ({min(values):.1f} to {max(values):.1f})"
            lines.append(f"| {title} | {' | '.join(shown)} |")
        sections.append("\n".join([*lines, "", f"Seeds: {counted}.", ""]))
    return "\n".join(sections)


def _by_seed(results: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    seeds = dict.fromkeys(result["seed"] for result in results)
    return [[result for result in results if result["seed"] == seed] for seed in seeds]


def chosen(snapshots: list[dict[str, Any]], measure: str) -> dict[str, Any]:
    """The snapshot that a run which chooses by a measure is left with, its guard included."""
    progress = Progress(selected_by=measure)
    for place, row in enumerate(snapshots):
        target = {one.number: row[name] for name, one in MEASURES.items() if name != SOURCE}
        target["live_classes"] = row["target_live_classes"]
        progress.score(Scores(step=place, target=target, source={"miou": row[SOURCE]}))
    assert progress.best is not None
    return snapshots[progress.best.step]


LAST, SOURCE = "the last snapshot", "source_miou"

CHOICES: dict[str, Callable[[list[dict[str, Any]]], dict[str, Any]]] = {
    "held-out labels, the best there is": lambda found: max(
        found, key=lambda row: row["held_out_miou"]
    ),
    **{
        "tuning labels" if name == TARGET_MIOU else one.title: partial(chosen, measure=name)
        for name, one in MEASURES.items()
    },
    LAST: lambda found: found[-1],
    "blindly, on average": lambda found: {
        "held_out_miou": statistics.mean(row["held_out_miou"] for row in found)
    },
}
"""Who chooses -> the chosen of some snapshots."""


if __name__ == "__main__":
    main()
