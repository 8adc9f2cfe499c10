"""How long do commands take before they do something, and a training before its first step?

    python benchmarks/start.py [--rounds 5] [--trainings 3] [--json FILE]

`--help` is measured in CPU seconds of the user, the least of some rounds. A training is
`advent-dist train streets_advent` on this machine, its shards and every file that it imports being
in memory since a training before; its parts lie between marks that `tracing/` notes, in seconds, of
the training that took the median time.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from benchmarks.notes import median, noting, parts, print_parts, read
from benchmarks.record import keep

QUESTION = "How long do commands take before they do something, and a training before a step?"
HERE = Path(__file__).parent
RESULTS = HERE / "results" / "start.json"

COMMANDS = ["demo", "new", "import-advent", "train", "evaluate", "predict", "serve"]
COMMANDS += ["pseudo-label", "export", "report", "shards", "status", "doctor"]
LINES = [
    "--help",
    *(f"{name} --help" for name in COMMANDS),
    "shards build --help",
    "shards build gta5 --help",
    "train --list",
    "train streets_advent --help",
]

PARTS = [
    ("Python, flags, the config", "train begins"),
    ("imports of the driver, Ray's start beside them, shards looked for", "check begins"),
    ("preflight: networks, manifests", "check ends"),
    ("room, the folder's claim", "fit begins"),
    ("Ray Train starts the workers", "train_worker begins"),
    ("imports of a worker", "train_rank begins"),
    ("readers fork", "build_method begins"),
    ("networks, engines", "build_method ends"),
    ("first batch", "TrainingLoader.__next__ ends"),
    ("first step", "Meter.add ends"),
]
"""What is done until the last process has passed a mark."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How often, and where the result goes."""

    rounds: int = 5
    """Times that each command line runs."""

    trainings: int = 3
    """Trainings that are measured, after a first one that is not."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Measure, and print the tables."""
    options = tyro.cli(Options)
    helps = {line: float("inf") for line in LINES}
    python = float("inf")
    for _ in range(options.rounds):
        # Python's own start is the unit: the same work on any machine.
        python = min(python, _user_seconds(None))
        for line in LINES:
            helps[line] = min(helps[line], _user_seconds(line.split()))
    print("| advent-dist | s of CPU |\n| --- | ---: |")
    for line, seconds in helps.items():
        print(f"| {line} | {seconds:.2f} |")
    rows: list[dict[str, object]] = [
        {"command": line, "user_s": seconds} for line, seconds in helps.items()
    ]
    if options.trainings:
        found = _median_training(options.trainings)
        rows += [{"part": name, "seconds": seconds} for name, seconds in found.items()]
        print()
        print_parts("until the first step", found)
    ratios = {
        f"CPU of advent-dist {line} / of python": helps[line] / python
        for line in ("shards --help", "train --list", "evaluate --help")
    }
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)


def _user_seconds(arguments: Sequence[str] | None) -> float:
    """CPU seconds of a process of its own; None is Python that does nothing."""
    command = [sys.executable, "-c", "import dataclasses, json"]
    if arguments is not None:
        command = [sys.executable, "-m", "advent_dist", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=HERE.parent)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def _median_training(count: int) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        _training(Path(folder))
        return median([_training(Path(folder)) for _ in range(count)])


def _training(folder: Path) -> dict[str, float]:
    """The parts of one, and their seconds."""
    notes = folder / "notes.jsonl"
    notes.unlink(missing_ok=True)
    flags = {
        "data.root": folder / "shards",
        "run.storage": folder / "runs",
        "run.steps": 1,
        "model.weights": None,
        "data.evaluation": "streets/dusk/tune",
    }
    line = [f"--{name}={value}" for name, value in flags.items()]
    command = [sys.executable, "-m", "advent_dist", "train", "streets_advent", "--overwrite", *line]
    begun = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=noting(notes))
    if done.returncode:
        raise SystemExit(f"the training failed:\n{done.stderr}")
    return parts(PARTS, read(notes), begun)


if __name__ == "__main__":
    main()
