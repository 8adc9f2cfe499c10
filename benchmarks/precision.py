"""Does bf16 learn as fp32 does?

    python benchmarks/precision.py [--steps 200] [--seeds 1 2 3] [--json FILE]

AdvEnt on procedural streets, clean -> dusk, one training a precision and seed, each on one rank
with one thread. What bf16 changes is to be less than what another seed does.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from record import keep

from advent_dist.config.override import override
from advent_dist.experiments import experiment
from advent_dist.parallel.world import World
from advent_dist.runs.classes import classes_of
from advent_dist.training.progress import Progress
from advent_dist.training.rank import train_rank
from shards.streets_data import build_streets_data

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
QUESTION = "Does bf16 learn as fp32 does?"
RESULTS = Path(__file__).parent / "results" / "precision.json"
LOSSES = ("loss/seg", "loss/adv", "loss/discriminator_source")
_WINDOWS = 5
"""That a curve is shown in."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How long, how often, and where the result goes."""

    steps: int = 200
    """Of each training; a multiple of 5."""

    seeds: tuple[int, ...] = (1, 2, 3)
    """One training each."""

    work: Path = Path("runs/precision")
    """Folder for the shards."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Train, and print the table."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    build_streets_data(str(options.work / "data"))
    rows = [
        {"precision": precision, "seed": seed, **_train(precision, seed, options)}
        for seed in options.seeds
        for precision in PRECISIONS
    ]
    keep(options.json, question=QUESTION, ratios=_ratios(rows), rows=rows)
    print(_table(rows, options))


def _train(precision: Precision, seed: int, options: Options) -> dict[str, Any]:
    """Losses by window, and the target mIoU in percent at the end."""
    chosen = override(
        experiment("streets_advent"),
        {
            "data.root": str((options.work / "data").resolve()),
            "data.workers_per_rank": 0,
            "engine.kind": "local",
            "engine.precision": precision,
            "run.steps": options.steps,
            "run.seed": seed,
            "run.report_every": options.steps // _WINDOWS,
            "run.evaluate_every": options.steps,
            "run.checkpoint_every": options.steps,
        },
    )
    curves: dict[str, list[float]] = {name: [] for name in LOSSES}

    def report(row: dict[str, Any], checkpoint: Path | None, progress: Progress) -> bool:
        for name, values in curves.items():
            if name in row:
                values.append(row[name])
        return False

    progress = train_rank(chosen, classes_of(chosen), World(), report)
    assert progress.last is not None
    return {**curves, "miou": progress.last.target["miou"]}


def _values(rows: list[dict[str, Any]], precision: str, name: str) -> list[Any]:
    return [row[name] for row in rows if row["precision"] == precision]


def _ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """How far the precisions' means are apart, over how far the seeds of fp32 are; of all windows.

    Of a loss both are means over the windows: within one, three seeds may agree by chance.
    """
    found = {}
    for name in (*LOSSES, "miou"):
        fp32, bf16 = (
            [one if name != "miou" else [one] for one in _values(rows, precision, name)]
            for precision in PRECISIONS
        )
        spread = sum(max(window) - min(window) for window in zip(*fp32, strict=True))
        if spread:
            means = zip(zip(*fp32, strict=True), zip(*bf16, strict=True), strict=True)
            apart = sum(abs(statistics.mean(a) - statistics.mean(b)) for a, b in means)
            found[f"{name}, bf16 - fp32 / spread of seeds"] = apart / spread
    return found


def _table(rows: list[dict[str, Any]], options: Options) -> str:
    """Least and most of the seeds, window by window, as Markdown."""
    lines = ["| | steps | fp32 | bf16 |", "| --- | --- | ---: | ---: |"]
    window = options.steps // _WINDOWS
    for name in LOSSES:
        for number in range(_WINDOWS):
            ranges = [
                [one[number] for one in _values(rows, precision, name)] for precision in PRECISIONS
            ]
            cells = " | ".join(f"{min(one):.3f} to {max(one):.3f}" for one in ranges)
            lines.append(f"| {name} | {number * window + 1}-{(number + 1) * window} | {cells} |")
    scores = [_values(rows, precision, "miou") for precision in PRECISIONS]
    cells = " | ".join(f"{min(one):.1f} to {max(one):.1f}" for one in scores)
    lines.append(f"| target mIoU | {options.steps} | {cells} |")
    lines += ["", "| ratio | |", "| --- | ---: |"]
    lines += [f"| {name} | {value:.2f} |" for name, value in _ratios(rows).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
