"""What does a checkpoint cost the training?

    python benchmarks/checkpoint.py [--rounds 3] [--json FILE]

AdvEnt with the paper's network and both discriminators, to a local S3 server, from one rank with
two threads. A save is timed until the training goes on, its stall, and until the checkpoint is
whole, which is what it took when the training waited for the upload.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from advent_dist.config import Experiment
from advent_dist.config.override import override
from advent_dist.data.class_sets import CITYSCAPES_19
from advent_dist.experiments import experiment
from advent_dist.methods.base import Method
from advent_dist.parallel import pieces
from advent_dist.parallel.world import World
from advent_dist.runs.folder import RunFolder
from advent_dist.training import checkpoint
from advent_dist.training.assembly import build_method
from advent_dist.training.progress import Progress
from advent_dist.training.scratch import new_folder
from advent_dist.types import DomainBatch
from benchmarks.bucket import local_bucket
from benchmarks.one_rank import one_rank
from benchmarks.record import keep
from cluster.board import BoardObserver
from cluster.recorder import Recorder

HERE = Path(__file__).parent
QUESTION = "What does a checkpoint cost the training?"
RESULTS = HERE / "results" / "checkpoint.json"
COPY, WRITE, UPLOAD = "copy to host memory", "serialise, write to the disk", "upload, verify, list"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How often, and where the result goes."""

    rounds: int = 3
    """Saves that are measured, after a first one that is not."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    """Measure, and print the tables."""
    options = tyro.cli(Options)
    with _on_s3() as run, one_rank(run.engine, threads=2) as world:
        saves = _Saves(run, world)
        saves.save()
        found = [saves.save() for _ in range(options.rounds)]
        megabytes = saves.megabytes
    rows: list[dict[str, Any]] = [
        {"part": name, "seconds": statistics.median(one[name] for one in found)}
        for name in (COPY, WRITE, UPLOAD)
    ]
    stalls = [one["stall"] / one["whole"] for one in found]
    rows.append({"stall / blocking save": stalls, "megabytes": megabytes})
    ratios = {
        "stall of a save / blocking save": statistics.median(stalls),
    }
    print(f"| a save of {megabytes:.0f} MB | s |\n| --- | ---: |")
    for row in rows[:3]:
        print(f"| {row['part']} | {row['seconds']:.2f} |")
    print("\n| ratio | |\n| --- | ---: |")
    for name, value in ratios.items():
        print(f"| {name} | {value:.2f} |")
    print(f"\nstall of a save: {min(stalls):.2f} to {max(stalls):.2f}")
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)


@contextmanager
def _on_s3() -> Iterator[Experiment]:
    """The paper's training, to be kept on a local S3 server."""
    with tempfile.TemporaryDirectory() as folder, local_bucket(Path(folder)) as bucket:
        changes = {"model.weights": None, "run.storage": bucket, "run.name": "run"}
        yield override(experiment("gta5_cityscapes_advent"), changes)


class _Saves:
    """One rank's steps and saves, by the functions of a training."""

    def __init__(self, run: Experiment, world: World) -> None:
        self._run, self._world = run, world
        self._method: Method[Any] = build_method(run, world, torch.full((19,), 1 / 19))
        store = RunFolder.of(run).checkpoint_store(run, world)
        self._recorder = Recorder(run, world, BoardObserver(board=None), store)
        with self._recorder.begun(nullcontext)():
            pass
        self._progress = Progress()
        self._step()  # so that the optimisers have states

    @property
    def megabytes(self) -> float:
        """What the latest checkpoint has."""
        folder = RunFolder.of(self._run).folder.inside("checkpoints")
        latest = f"step_{self._progress.step:06d}"
        return sum(folder.inside(latest).sizes().values()) / 1e6

    def save(self) -> dict[str, float]:
        """Save once, and wait for it: seconds of its parts."""
        writing = [0.0]
        with _timed(writing):
            begun = time.perf_counter()
            self._begin()
            goes_on = time.perf_counter()
        self._recorder.wait()
        ended = time.perf_counter()
        stall, whole = goes_on - begun, ended - begun
        parts = {COPY: stall - writing[0], WRITE: writing[0], UPLOAD: whole - stall}
        return {**parts, "stall": stall, "whole": whole}

    def _begin(self) -> None:
        self._progress.step += 1
        folder = new_folder()
        checkpoint.save(
            folder,
            experiment=self._run,
            classes=CITYSCAPES_19,
            world=self._world,
            method=self._method,
            progress=self._progress,
            streams={},
        )
        self._recorder({"step": self._progress.step}, folder, self._progress)

    def _step(self) -> None:
        images = [torch.randint(0, 256, (1, 3, *size)) for size in ((135, 240), (96, 192))]
        source, target = (image.to(torch.uint8) for image in images)
        label = torch.randint(0, 19, (1, 135, 240)).to(torch.uint8)
        self._method.step(DomainBatch(source_image=source, source_label=label, target_image=target))


@contextmanager
def _timed(seconds: list[float]) -> Iterator[None]:
    """Add what safetensors takes to write files to `seconds`."""
    real: Callable[..., None] = pieces.save_file

    def save_file(*arguments: Any, **more: Any) -> None:
        begun = time.perf_counter()
        real(*arguments, **more)
        seconds[0] += time.perf_counter() - begun

    modules: list[Any] = [pieces, checkpoint]
    for module in modules:
        module.save_file = save_file
    yield
    for module in modules:
        module.save_file = real


if __name__ == "__main__":
    main()
