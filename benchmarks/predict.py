"""How fast does `predict` segment images, beside a loop that does one after the other?

    python benchmarks/predict.py [--rounds 5] [--ways loop "one process"] [--json FILE]

Street scenes of 640x320, the network of `streets_advent` with weights that chance drew, files read
from the disk and written to it. The loop is what anybody would write first; `predict` works in this
process, or on Ray with one worker and with two. Each computes on one thread; what reads and writes
beside it may have another core. Rounds of all ways follow each other, so that all have the same
machine, and what is compared are medians over the rounds. The ratio is of this process's CPU
seconds, which depend little on what else the machine does; speeds do. The first 32 images of a
round, what two workers take first, are to warm up: no start is in the numbers.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import tyro
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script it sees its own folder alone

from advent_dist.config import Call, ClusterConfig, View
from advent_dist.config.override import override
from advent_dist.data.image import read_image
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.experiments import experiment
from advent_dist.models.segmenter import build_segmenter
from advent_dist.pictures import colourise
from advent_dist.runs.folder import RunFolder
from advent_dist.runs.images import find_images
from advent_dist.runs.predict import as_input
from advent_dist.runs.predict_job import PredictJob
from advent_dist.runs.trained import load_run
from advent_dist.training.progress import Progress, Scores
from benchmarks.record import keep
from shards.streets import scene
from tests.checkpoint_parts import write_weights

QUESTION = "How fast does predict segment images, beside a loop that does one after the other?"
RESULTS = Path(__file__).parent / "results" / "predict.json"
SIZE = (640, 320)
_WARM_UP = 32
"""Images: what two workers take first."""

Way = Literal["loop", "one process", "1 worker", "2 workers"]
ON_RAY: dict[Way, int] = {"1 worker": 1, "2 workers": 2}
PAIRS: tuple[tuple[Way, Way], ...] = (
    ("one process", "loop"),
    ("1 worker", "loop"),
    ("2 workers", "1 worker"),
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much, how often, and where the result goes."""

    rounds: int = 5
    """Times that each way runs."""

    images: int = 128
    """Scenes of a round, with those to warm up."""

    ways: tuple[Way, ...] = ("loop", "one process", "1 worker", "2 workers")
    """Those that are measured."""

    json: Path | None = RESULTS
    """Where the result goes."""


class Taken(NamedTuple):
    """By an image, after those that are to warm up."""

    seconds: float
    cpu_seconds: float
    """Of all threads of this process."""


def main() -> None:
    """Measure, and print the tables."""
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        run, images = _untrained(Path(folder, "runs")), Path(folder, "images")
        images.mkdir()
        for number in range(options.images):
            Image.fromarray(scene(number, "dusk", SIZE)[0]).save(images / f"{number:04d}.png")
        ways = _ways(options, run, images, stack)
        taken: dict[Way, list[Taken]] = {way: [] for way in ways}
        for number in range(options.rounds):
            for name, way in ways.items():
                with tempfile.TemporaryDirectory() as out:
                    taken[name].append(_taken(way(out)))
                sys.stderr.write(f"{number} {name:12} {taken[name][-1]}\n")
    rows: list[dict[str, Any]] = [
        {
            "way": way,
            "seconds": statistics.median(one.seconds for one in several),
            **({} if way in ON_RAY else {"cpu_seconds": _median_cpu(several)}),
            "faster_than": {
                other: _median(taken[other], several, 0)
                for one, other in PAIRS
                if one == way and other in taken
            },
            "rounds": [one._asdict() for one in several],
        }
        for way, several in taken.items()
    ]
    ratios = {
        f"CPU of predicting, {one} / {other}": _median(taken[one], taken[other], 1)
        for one, other in PAIRS
        if one in taken and other in taken and one not in ON_RAY
    }
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print("| way | s an image | s of CPU | speed |\n| --- | ---: | ---: | --- |")
    for row in rows:
        speed = ", ".join(f"{value:.2f} of {one}" for one, value in row["faster_than"].items())
        cpu = f"{row['cpu_seconds']:.3f}" if "cpu_seconds" in row else ""
        print(f"| {row['way']} | {row['seconds']:.3f} | {cpu} | {speed} |")
    print("\n| ratio | |\n| --- | ---: |")
    for ratio, value in ratios.items():
        print(f"| {ratio} | {value:.2f} |")


def _median_cpu(several: list[Taken]) -> float:
    return statistics.median(one.cpu_seconds for one in several)


def _median(ones: list[Taken], others: list[Taken], which: int) -> float:
    """Of the rounds' ratios."""
    return statistics.median(a[which] / b[which] for a, b in zip(ones, others, strict=True))


def _taken(done: Iterator[object]) -> Taken:
    """Of the images that come out after those that are to warm up."""
    clocks = [(time.perf_counter(), time.process_time()) for _ in done]
    (began, cpu_began), (ended, cpu_ended) = clocks[_WARM_UP - 1], clocks[-1]
    measured = len(clocks) - _WARM_UP
    return Taken((ended - began) / measured, (cpu_ended - cpu_began) / measured)


def _untrained(storage: Path) -> str:
    """A run's folder whose weights chance drew: what they say costs the same."""
    chosen = override(
        experiment("streets_advent"),
        {"run.storage": str(storage), "data.evaluation_size": SIZE, "model.weights": None},
    )
    run = RunFolder.of(chosen)
    run.start(chosen, Call())
    torch.manual_seed(0)
    write_weights(run.url, 1, build_segmenter(chosen.segmenter, 19).state_dict())
    scores = Scores(step=1, target={"miou": 0.0, "mean_entropy": 1.0, "live_classes": 0})
    run.write_summary(chosen, Progress(step=1, last=scores, best=scores))
    return run.url


def _ways(
    options: Options, run: str, images: Path, stack: ExitStack
) -> dict[Way, Callable[[str], Iterator[object]]]:
    """Each takes a folder for the results, and yields when an image's are there."""
    found = find_images(str(images), f"{images}/out")
    names = list(found.stamps)
    job = PredictJob(runs=(run,), which="last", view=View(), images=found, out="", overlay=False)

    def one_process(out: str) -> Iterator[object]:
        return replace(job, out=out).predictor().predict(names)

    ways: dict[Way, Callable[[str], Iterator[object]]] = {
        "loop": lambda out: _loop(run, images, Path(out)),
        "one process": one_process,
    }
    if set(options.ways) & set(ON_RAY):
        # Imported here, since it takes seconds.
        from cluster.connection import ray_cluster
        from cluster.predicting import on_ray

        stack.enter_context(ray_cluster(ClusterConfig()))

        def on_workers(workers: int, out: str) -> Iterator[object]:
            with on_ray(replace(job, out=out), workers, 0, None) as predict:
                yield from predict(names)

        ways["1 worker"] = lambda out: on_workers(1, out)
        ways["2 workers"] = lambda out: on_workers(2, out)
    return {way: ways[way] for way in options.ways}


def _loop(url: str, images: Path, out: Path) -> Iterator[object]:
    """What anybody would write first."""
    run = load_run(url, "last", torch.device("cpu"))
    size = run.experiment.data.evaluation_size
    for name in sorted(os.listdir(images)):
        image = read_image(images / name, name)
        with torch.no_grad():
            logits = run.predictor(as_input(image, size), (image.height, image.width))
        train_ids = logits[0].argmax(0).to(torch.uint8).numpy()
        entropy = (255 * pixel_entropy(logits)[0]).round().to(torch.uint8).numpy()
        pictures: dict[str, np.ndarray] = {
            "color": colourise(train_ids, run.classes.palette),
            "trainid": train_ids,
            "entropy": entropy,
        }
        for kind, picture in pictures.items():
            Image.fromarray(picture).save(out / f"{Path(name).stem}_{kind}.png")
        yield name


if __name__ == "__main__":
    main()
