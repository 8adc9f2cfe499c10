"""What does adaptation gain on real photographs? CamVid by day -> at dusk, one budget for all.

    python benchmarks/camvid_day_dusk.py --camvid DIR [--quick] [--json FILE] [--seeds 1 2 3]

DIR is CamVid in SegNet's layout (see shards/README.md). Each method trains as often as there are
seeds, on two Ray Train workers with DeepSpeed. The best snapshot is chosen on one part of the dusk
test images and reported, like the last one, on the other.
"""

from __future__ import annotations

import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from gaps.tasks import DUSK_FIRST, DUSK_SECOND
from record import keep

from advent_dist.config import Call
from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.scoring import score
from cluster.connection import ray_cluster
from cluster.launch import launch
from shards.camvid import CamVid
from shards.options import BuildOptions
from shards.write import build

METHODS = ("source_only", "minent", "advent", "oracle")
HELD_OUT = "camvid/dusk/val"
QUESTION = "What does adaptation gain on real photographs, CamVid by day -> at dusk?"
RESULTS = Path(__file__).parent / "results" / "camvid_day_dusk.json"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train source-only, MinEnt, AdvEnt and the oracle on CamVid day -> dusk."""

    camvid: Path = Path(os.environ.get("ADVENT_DIST_CAMVID", "camvid"))
    """CamVid in SegNet's layout."""

    work: Path = Path("runs/camvid_day_dusk")
    """Folder for shards and runs."""

    seeds: tuple[int, ...] = (1,)
    """One training a seed and method."""

    overwrite: bool = False
    """Replace the runs in that folder."""

    quick: bool = False
    """Twenty steps: does it run?"""

    json: Path | None = None
    """Where the result goes; a full run's default is benchmarks/results/camvid_day_dusk.json."""


def main() -> None:
    options = tyro.cli(Options)
    build_shards(options.camvid, options.work / "data")
    rows = []
    cluster = experiment("camvid_day_dusk_advent").cluster
    with ray_cluster(cluster):
        for seed in options.seeds:
            for method in METHODS:
                rows.append(train(method, seed, options))
                sys.stdout.write(f"{method} seed {seed}: {rows[-1]['last']['miou']:.1f}\n")
    sys.stdout.write(table(rows))
    out = options.json or (None if options.quick else RESULTS)
    keep(out, question=QUESTION, ratios=gains(rows), rows=rows)


def build_shards(camvid: Path, root: Path) -> None:
    """The folders of the camvid_day_dusk experiments, where they are missing."""
    day, dusk = ("0016E5", "0006R0"), ("0001TP",)
    folders = {
        "camvid/day/train": (CamVid(camvid, splits=("train", "val"), sequences=day), False),
        "camvid/dusk/train": (CamVid(camvid, splits=("train",), sequences=dusk), True),
        "camvid/dusk/train_labelled": (CamVid(camvid, splits=("train",), sequences=dusk), False),
        "camvid/dusk/tune": (CamVid(camvid, splits=("test",), sequences=DUSK_FIRST), False),
        HELD_OUT: (CamVid(camvid, splits=("test",), sequences=DUSK_SECOND), False),
    }
    for name, (reader, unlabelled) in folders.items():
        if not (root / name / "manifest.json").exists():
            build(reader, str(root / name), BuildOptions(unlabelled=unlabelled))


def train(method: str, seed: int, options: Options) -> dict[str, Any]:
    """One training and its scores on the held-out images."""
    chosen = override(
        experiment(f"camvid_day_dusk_{method}"),
        {
            "data.root": str((options.work / "data").resolve()),
            "run.storage": str(options.work),
            "run.name": f"{method}_{seed}",
            "run.seed": seed,
            **({"run.steps": 20} if options.quick else {}),
        },
    )
    launch(chosen, Call(overwrite=options.overwrite))
    url, shards = RunFolder.of(chosen).url, f"{chosen.data.root}/{HELD_OUT}"
    scores = {which: score([url], which, shards).to_json() for which in ("last", "best")}
    return {"method": method, "seed": seed, "steps": chosen.run.steps, **scores}


def gains(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Mean mIoU of each method over that of source-only, last snapshot."""
    mean = {
        method: statistics.mean(row["last"]["miou"] for row in rows if row["method"] == method)
        for method in METHODS
    }
    return {f"{method} / source_only": mean[method] / mean["source_only"] for method in METHODS}


def table(rows: list[dict[str, Any]]) -> str:
    """Mean and per-class IoU of last and best, mean over the seeds, as Markdown."""
    classes = list(rows[0]["last"]["per_class"])
    lines = [
        "| method | snapshot | mIoU | " + " | ".join(classes) + " |",
        "|" + " --- |" * (len(classes) + 3),
    ]
    for method in METHODS:
        for which in ("last", "best"):
            scores = [row[which] for row in rows if row["method"] == method]
            miou = [one["miou"] for one in scores]
            spread = f" ± {statistics.stdev(miou):.1f}" if len(miou) > 1 else ""
            cells = [f"{statistics.mean(miou):.1f}{spread}"]
            for name in classes:
                values = [one["per_class"][name] for one in scores]
                known = [value for value in values if value is not None]
                cells.append(f"{statistics.mean(known):.1f}" if known else "-")
            lines.append(f"| {method} | {which} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
