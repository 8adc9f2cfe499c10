"""What does a step of the whole product cost over the bare step of its method?

    python benchmarks/overhead.py [--rounds 3] [--steps 10] [--scale 1] [--json FILE]

AdvEnt with the paper's network and both discriminators, one image of each domain, 480x270 and
384x192, on DeepSpeed. The product is `advent-dist train` with one Ray Train worker, shards and run
folder on a local S3 server, all that it writes and shows being on, and a report after every third
step, where the default is every tenth. The bare step is the same config's `Method.step` in a plain
process, on the same batches, which are in memory. Each computes on one thread; what reads, and what
Ray does, may have another core. Seconds are of the wall clock, from the end of a step to the end of
the next one, means over the steps; the ratio is the median over the rounds, in which the two take
turns in going first. Where others use the machine, it says how they did so: then only the ratio of
CPU seconds means something, which are of the process that steps, without those that read.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from advent_dist.config import Experiment
from advent_dist.config.override import override, to_json
from advent_dist.experiments import experiment
from advent_dist.runs.folder import RunFolder
from benchmarks.bucket import local_bucket
from benchmarks.notes import Note, noting, read
from benchmarks.record import keep
from shards.streets_data import build_streets_data

QUESTION = "What does a step of the whole product cost over the bare step of its method?"
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "overhead.json"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
REPORT_EVERY = 3
WARM_UP = 4
"""Steps that are not measured: the first report opens files, and comes after the third."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much, how often, and where the result goes."""

    rounds: int = 3
    """Times that the product and the bare step run."""

    steps: int = 10
    """Steps of a round that are measured."""

    scale: float = 1.0
    """Factor of the images' sides; below 1 for a quick look."""

    json: Path | None = RESULTS
    """Where the result goes."""


class Step(NamedTuple):
    """A step of the product, from the end of the one before: seconds."""

    between: float
    """Until the next batch is asked for: a report, where one is due."""

    waiting: float
    """Until the batch is there."""

    itself: float
    """Until its losses are noted."""

    cpu: float
    """Of the worker's CPU, all the while."""


class Round(NamedTuple):
    """What a round found: seconds, means over the steps."""

    product: float
    bare: float
    between: float
    waiting: float
    itself: float
    """The parts of the product's, see `Step`."""

    product_cpu: float
    bare_cpu: float
    """Of the CPU, by the process that steps."""

    losses_differ_by: float
    """The product's from the bare ones, at most, over the latter."""

    @property
    def ratio(self) -> float:
        """The product's seconds over the bare ones."""
        return self.product / self.bare

    @property
    def cpu_ratio(self) -> float:
        """The same of the CPU."""
        return self.product_cpu / self.bare_cpu


def main() -> None:
    """Measure, and print the tables."""
    options = tyro.cli(Options)
    with tempfile.TemporaryDirectory() as folder, local_bucket(Path(folder)) as bucket:
        both = _Both(_experiment(options, bucket), Path(folder, "config.json"))
        rounds = []
        for number in range(options.rounds):
            rounds.append(both.round(product_first=number % 2 == 0))
            sys.stderr.write(f"{number} {rounds[-1]}\n")
    several = {
        "step of the whole product / bare step": [one.ratio for one in rounds],
        "CPU of a step, the product's worker / bare step": [one.cpu_ratio for one in rounds],
    }
    ratios = {name: statistics.median(values) for name, values in several.items()}
    keep(options.json, question=QUESTION, ratios=ratios, rows=[one._asdict() for one in rounds])
    said: dict[str, Callable[[Round], float]] = {
        "bare": lambda one: one.bare,
        "the whole product": lambda one: one.product,
        "of it: between steps, reports": lambda one: one.between,
        "of it: waiting for a batch": lambda one: one.waiting,
        "of it: the step itself": lambda one: one.itself,
        "bare, CPU": lambda one: one.bare_cpu,
        "the product's worker, CPU": lambda one: one.product_cpu,
    }
    print("| a step, median of the rounds | s |\n| --- | ---: |")
    for name, value in said.items():
        print(f"| {name} | {statistics.median(map(value, rounds)):.3f} |")
    print("\n| ratio | | of a round |\n| --- | ---: | ---: |")
    for name, values in several.items():
        print(f"| {name} | {ratios[name]:.3f} | {min(values):.3f} to {max(values):.3f} |")
    print(f"\nlosses differ by {max(one.losses_differ_by for one in rounds):.0e}")


def _experiment(options: Options, bucket: str) -> Experiment:
    """The paper's training on street scenes, which are built."""
    sides = {"source_size": (480, 270), "target_size": (384, 192), "stored": (768, 384)}
    sizes = {
        name: tuple(round(side * options.scale) for side in both) for name, both in sides.items()
    }
    # As Cityscapes, whose images are twice as large as what is trained on.
    width, height = sizes["stored"]
    root = f"{bucket}/shards"
    build_streets_data(root, size=(width, height), num_training=16, num_evaluation=2)
    changes = {
        "data.root": root,
        "data.source": "streets/clean/train",
        "data.target": "streets/dusk/train",
        "data.evaluation": "streets/dusk/tune",
        "data.source_size": sizes["source_size"],
        "data.target_size": sizes["target_size"],
        "data.evaluation_size": sizes["target_size"],
        "model.weights": None,
        "run.storage": f"{bucket}/runs",
        "run.steps": WARM_UP + options.steps,
        "run.report_every": REPORT_EVERY,
        "cluster.gpus_per_worker": 0,
        "cluster.environment": tuple(f"{name}={value}" for name, value in ONE_THREAD.items()),
    }
    return override(experiment("gta5_cityscapes_advent"), changes)


class _Both:
    """The two ways to take an experiment's steps.

    Args:
        experiment: The whole config.
        config: A file for it, in a folder for what processes leave.
    """

    def __init__(self, experiment: Experiment, config: Path) -> None:
        self._experiment, self._config = experiment, config
        config.write_text(to_json(experiment))

    def round(self, *, product_first: bool) -> Round:
        """Have each take its steps, and compare."""
        if product_first:
            steps, rows = self._product()
            bare = self._bare()
        else:
            bare = self._bare()
            steps, rows = self._product()
        between, waiting, itself, cpu = map(statistics.fmean, zip(*steps, strict=True))
        return Round(
            product=between + waiting + itself,
            bare=_mean_step(bare["ended"]),
            between=between,
            waiting=waiting,
            itself=itself,
            product_cpu=cpu,
            bare_cpu=_mean_step(bare["cpu"]),
            losses_differ_by=differ_by(rows, bare["losses"]),
        )

    def _product(self) -> tuple[list[Step], list[dict[str, Any]]]:
        """The steps that are measured, and the rows of metrics of all."""
        notes = self._config.with_name("notes.jsonl")
        notes.unlink(missing_ok=True)
        _run(["advent_dist", "train", "--config", str(self._config), "--overwrite"], noting(notes))
        return steps_of(read(notes))[WARM_UP - 1 :], RunFolder.of(self._experiment).rows()

    def _bare(self) -> dict[str, Any]:
        """What `pipelines.bare_step` finds."""
        command = ["benchmarks.pipelines.bare_step", "--config", str(self._config)]
        said = _run(command, {**os.environ, **ONE_THREAD})
        line = next(line for line in said.splitlines() if line.startswith('{"ended"'))
        found: dict[str, Any] = json.loads(line)
        return found


def _mean_step(ends: Sequence[float]) -> float:
    """From end to end, of those that are measured."""
    return (ends[-1] - ends[WARM_UP - 1]) / (len(ends) - WARM_UP)


def _run(module: Sequence[str], environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-m", *module]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{module[0]} failed:\n{done.stderr}")
    return done.stdout


def steps_of(notes: Sequence[Note]) -> list[Step]:
    """The steps of a training of one worker, but its first.

    Args:
        notes: In the order in which they were taken.
    """
    found = []
    asked = got = before = None
    for note in notes:
        if note.mark == "TrainingLoader.__next__ begins":
            asked = note.when
        elif note.mark == "TrainingLoader.__next__ ends":
            got = note.when
        elif note.mark == "Meter.add ends":
            assert asked is not None
            assert got is not None
            if before is not None:
                step = Step(
                    between=asked - before.when,
                    waiting=got - asked,
                    itself=note.when - got,
                    cpu=note.cpu - before.cpu,
                )
                found.append(step)
            before = note
    return found


def differ_by(rows: Sequence[Mapping[str, Any]], losses: Sequence[Mapping[str, float]]) -> float:
    """How far reported losses are from those of single steps, at most, over the latter.

    Args:
        rows: A training's metrics, each of the steps since the one before.
        losses: Name -> value, of every step.
    """
    found: list[float] = []
    before = 0
    for row in rows:
        some = losses[before : row["step"]]
        for name in some[0]:
            mean = statistics.fmean(one[name] for one in some)
            found.append(abs(row[name] - mean) / abs(mean))
        before = row["step"]
    return max(found)


if __name__ == "__main__":
    main()
