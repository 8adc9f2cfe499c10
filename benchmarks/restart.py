"""How long after one of its workers was killed does a training take its next step?

    python benchmarks/restart.py [--trainings 3] [--json FILE]

`advent-dist train streets_advent` on this machine, two workers, shards and run folder on a local S3
server. When its first checkpoint is whole, the Ray Train worker of rank 0 is killed by SIGKILL, and
the run goes on by itself (`cluster.max_failures` = 1). The parts lie between marks that `tracing/`
notes, from the kill until the last of the new workers has taken a step, in seconds, of the training
that took the median time. The ratio is to how long the same training took to its first step.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from advent_dist.config.override import override, to_json
from advent_dist.experiments import experiment
from benchmarks.bucket import local_bucket
from benchmarks.notes import Note, median, noting, parts, print_parts, read, total
from benchmarks.record import keep
from shards.streets_data import build_streets_data
from tests.waiting import wait_until

QUESTION = "How long after one of its workers was killed does a training take its next step?"
RESULTS = Path(__file__).parent / "results" / "restart.json"
WORKERS = 2
STEP = "Meter.add ends"
SAVED = "RunFolder.write_summary ends"
"""By rank 0, when a checkpoint is whole."""
PARTS = [
    ("Ray Train notices", "MistakesAreFinal.make_decision begins"),
    ("Ray Train ends the other worker", "WorkerGroup.shutdown ends"),
    ("Ray Train starts the workers", "train_worker begins"),
    ("imports of a worker", "train_rank begins"),
    ("readers fork", "build_method begins"),
    ("networks, engines", "build_method ends"),
    ("the checkpoint is fetched", "restore begins"),
    ("the checkpoint is read", "restore ends"),
    ("first batch", "TrainingLoader.__next__ ends"),
    ("first step", STEP),
]
"""What is done until the last new process has passed a mark."""

_PATIENCE_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """How often, and where the result goes."""

    trainings: int = 3
    """Trainings that are measured, after a first one that is not."""

    json: Path | None = RESULTS
    """Where the result goes."""


class Found(NamedTuple):
    """Of a training."""

    start: float
    """Seconds from the command to the first step."""

    restart: Mapping[str, float]
    """Part -> seconds, from the kill to the next step."""

    @property
    def ratio(self) -> float:
        """The latter over the former."""
        return total(self.restart) / self.start


def main() -> None:
    """Measure, and print the tables."""
    options = tyro.cli(Options)
    with tempfile.TemporaryDirectory() as folder, local_bucket(Path(folder)) as bucket:
        config = _config(Path(folder), bucket)
        _training(config)
        found = [_training(config) for _ in range(options.trainings)]
    restart = median([one.restart for one in found])
    ratio = statistics.median(one.ratio for one in found)
    ratios = {"from a kill to the next step / from the command to the first step": ratio}
    rows: list[dict[str, object]] = [
        {"part": name, "seconds": seconds} for name, seconds in restart.items()
    ]
    rows += [
        {"training": number, "start_s": one.start, "restart_s": total(one.restart)}
        for number, one in enumerate(found, 1)
    ]
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print_parts("from the kill to the next step", restart)
    print("\n| ratio | |\n| --- | ---: |")
    for name, value in ratios.items():
        print(f"| {name} | {value:.2f} |")
    several = [one.ratio for one in found]
    print(f"\nratio of a training: {min(several):.2f} to {max(several):.2f}")


def _config(folder: Path, bucket: str) -> Path:
    """The config of a training that is not over before it is killed, and its shards."""
    changes = {
        "data.root": f"{bucket}/shards",
        "model.weights": None,
        "run.storage": f"{bucket}/runs",
        "run.steps": 100_000,
        "run.evaluate_every": 100_000,
        "run.checkpoint_every": 3,
        "cluster.workers": WORKERS,
        "cluster.max_failures": 1,
    }
    build_streets_data(f"{bucket}/shards", num_training=32, num_evaluation=4)
    config = folder / "config.json"
    config.write_text(to_json(override(experiment("streets_advent"), changes)))
    return config


def _training(config: Path) -> Found:
    """Start one, kill a worker, and end it when it has gone on."""
    notes, said = config.with_name("notes.jsonl"), config.with_name("said.txt")
    notes.unlink(missing_ok=True)
    command = [sys.executable, "-m", "advent_dist", "train", "--config", str(config), "--overwrite"]
    begun = time.time()
    with said.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=noting(notes))

    def wait_for(holds: Callable[[list[Note]], object]) -> list[Note]:
        wait_until(
            lambda: holds(read(notes)),
            within_s=_PATIENCE_S,
            running=process,
            said=said.read_text,
        )
        return read(notes)

    try:
        before = wait_for(lambda noted: any(note.mark == SAVED for note in noted))
        first = next(note for note in before if note.mark == SAVED).process
        killed = time.time()
        os.kill(first, signal.SIGKILL)
        after = wait_for(lambda noted: len(_stepping(noted)) == 2 * WORKERS)
    finally:
        process.terminate()
        status = process.wait(_PATIENCE_S)
    if status != 128 + signal.SIGTERM:
        raise SystemExit(f"the training ended with {status}:\n{said.read_text()}")
    start = parts([("all", STEP)], before, begun)
    return Found(start["all"], parts(PARTS, after, killed))


def _stepping(noted: Sequence[Note]) -> set[int]:
    """The workers that have taken a step, those of before the kill among them."""
    return {note.process for note in noted if note.mark == STEP}


if __name__ == "__main__":
    main()
