"""What is adaptation worth? Five tasks with a real gap, all methods on equal terms.

    python benchmarks/adaptation.py --data DIR [--tasks T2 T4] [--methods ...] [--seeds 1 2 3]
    python benchmarks/adaptation.py --data DIR --seconds 600   # equal time, after equal steps
    python benchmarks/adaptation.py --table                    # the tables, and those of the docs

DIR is described in `gaps/tasks.py`. Each training is one process with one thread, and leaves a file
in benchmarks/results/adaptation/. What has one is not trained again, nor what is the same training
by other words, so that the tables may be filled over days and on several machines. A snapshot is
chosen on `tune` and reported on `held_out`.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
import tyro
from gaps.recipes import ENCODERS, METHODS, recipe
from gaps.table import Result, ratios, rows, table
from gaps.tasks import TASKS, build_shards
from record import keep
from snapshots import train_and_score

from advent_dist.config.override import override

_HERE = Path(__file__).parent
RESULTS = _HERE / "results" / "adaptation"
PAGE = _HERE.parent / "docs" / "results.md"
MARKS = ("<!-- The tables of `benchmarks/adaptation.py --table` -->\n", "<!-- end of tables -->\n")
QUESTION = "What share of the gap between source-only and the oracle does each method close?"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Train what has no result yet; then print the tables."""

    data: Path = Path(os.environ.get("ADVENT_DIST_GAPS", "gaps"))
    """Folder with camvid/, idd_lite/, airsim/ and the weights of DINOv2-S."""

    work: Path = Path("runs/adaptation")
    """Folder for the shards."""

    tasks: tuple[str, ...] = tuple(TASKS)
    """Which of them."""

    encoders: tuple[str, ...] = ENCODERS
    """Which of them."""

    methods: tuple[str, ...] = METHODS
    """Which of them."""

    seeds: tuple[int, ...] = (1, 2, 3)
    """One training each."""

    steps: int = 400
    """Optimiser steps of each training."""

    seconds: int | None = None
    """CPU seconds of each training in place of steps: as many as that method's trainings of `steps`
    steps let expect. The time of scoring does not count."""

    values: tuple[str, ...] = ()
    """Fields and values in place of the recipe's, as in `method.lambda_ent=0.003`; what is trained
    with them has rows of its own."""

    table: bool = False
    """Train nothing."""

    @property
    def budget(self) -> str:
        """What trainings of one table have in common."""
        return f"{self.steps} steps" if self.seconds is None else f"{self.seconds} s"


def main() -> None:
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    wanted = product(options.seeds, options.encoders, options.tasks, options.methods)
    for seed, encoder, task, method in wanted:
        if not options.table:
            fill(task, encoder, method, seed, options)
    results = kept("*")
    tables = table(results)
    sys.stdout.write(tables)
    PAGE.write_text(between_marks(PAGE.read_text(), tables))
    keep(
        RESULTS.with_suffix(".json"), question=QUESTION, ratios=ratios(results), rows=rows(results)
    )


def between_marks(page: str, tables: str) -> str:
    """The page with these tables in place of those that it has."""
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n{tables}\n{MARKS[1]}{after}"


def fill(task: str, encoder: str, method: str, seed: int, options: Options) -> None:
    """Train what has no file, and leave one."""
    values, steps = options.values, options.steps
    out = file_of(task, encoder, method, options.budget, values, seed)
    if out.exists():
        return
    if options.seconds is not None:
        timed = kept(f"{task}_{encoder}_{method}_{steps}_[0-9]*")
        if not timed:
            sys.exit(f"how long does {method} take on {task}? train it without --seconds first")
        steps = steps_within(options.seconds, timed)
    # By its steps it may be there already, for this task or for one with the same oracle.
    tasks = (task, *(alike(task) if method == "oracle" else ()))
    same = [file_of(one, encoder, method, f"{steps} steps", values, seed) for one in tasks]
    known = next((file for file in same if file.exists()), None)
    if known is None:
        result = train(task, encoder, method, seed, steps, options)
    else:
        result = json.loads(gzip.decompress(known.read_bytes()))
    write({**result, "task": task, "budget": options.budget}, out)
    last = result["snapshots"][-1]
    scores = ", ".join(f"{name} {last[name]['miou']:.1f}" for name in ("tune", "held_out"))
    sys.stderr.write(f"{out.name}: {scores}, {last['seconds']:.0f} s\n")


def file_of(
    task: str, encoder: str, method: str, budget: str, values: Sequence[str], seed: int
) -> Path:
    budget = budget.removesuffix(" steps").replace(" ", "")
    name = "_".join([task, encoder, method, budget, *values, str(seed)])
    return RESULTS / f"{name}.json.gz"


def alike(task: str) -> list[str]:
    """Other tasks with one oracle, which sees no source: the target and what is scored are theirs.

    Trained for each, the weights were equal to the bit.
    """

    def seen(name: str) -> tuple[object, ...]:
        its = TASKS[name]
        return its.target, its.target_size, its.tune, its.held_out

    return [name for name in TASKS if name != task and seen(name) == seen(task)]


def _read(value: str) -> object:
    """A value as JSON has it; what is none of it is a word."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def kept(pattern: str) -> list[Result]:
    """Results by the names of their files."""
    files = sorted(RESULTS.glob(f"{pattern}.json.gz"))
    return [json.loads(gzip.decompress(file.read_bytes())) for file in files]


def write(result: Result, out: Path) -> None:
    """Whole or not at all; equal results are equal files."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part")
    part.write_bytes(gzip.compress(json.dumps(result).encode(), mtime=0))
    part.replace(out)


def steps_within(seconds: int, timed: list[Result]) -> int:
    """Steps that take so many seconds, a multiple of four, so that the last one is scored.

    By the fastest training: whatever else a machine does makes others slower, and none faster.
    """
    rates = [one["steps"] / one["snapshots"][-1]["seconds"] for one in timed]
    return max(4 * round(seconds * max(rates) / 4), 4)


def train(task: str, encoder: str, method: str, seed: int, steps: int, options: Options) -> Result:
    """One training, and what it gives."""
    root = options.work / "data"
    build_shards(task, options.data, root)
    chosen = recipe(
        task,
        encoder,
        method,
        seed=seed,
        steps=steps,
        root=root,
        weights=options.data / "dinov2_vits14" / "vit_small_patch14_dinov2_fp16.safetensors",
    )
    fields = dict(value.split("=", 1) for value in options.values)
    snapshots = train_and_score(
        override(chosen, {field: _read(value) for field, value in fields.items()}),
        {"tune": TASKS[task].tune, "held_out": TASKS[task].held_out},
        most={"tune": 50},
    )
    for snapshot in snapshots:
        # Of the images that choose the scores will do.
        del snapshot["tune"]["intersection"], snapshot["tune"]["union"]
    return {
        "task": task,
        "encoder": encoder,
        "method": method,
        "values": ", ".join(options.values),
        "seed": seed,
        "steps": steps,
        "snapshots": snapshots,
    }


if __name__ == "__main__":
    main()
