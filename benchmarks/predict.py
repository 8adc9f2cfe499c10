"""How fast does `predict` segment images, beside a loop that does one after the other?

    python benchmarks/predict.py --run RUN --images DIR [--rounds 3]

RUN is a trained run, DIR a folder of 100 images or more. Each way is a process of its own that
computes on one thread: the loop, `predict` in one process, `predict --workers 1` and `2` on Ray, a
thread each. What reads and writes beside it may have another core. The first 32 images are to warm
up: the start of Ray and of the workers is not in the rates, but stands beside them. Rounds of all
ways follow each other; ratios are medians over the rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from PIL import Image
from record import keep

from advent_dist.config import View
from advent_dist.data.image import read_image
from advent_dist.evaluation.certainty import pixel_entropy
from advent_dist.pictures import colourise
from advent_dist.runs.images import find_images
from advent_dist.runs.predict import as_input
from advent_dist.runs.predict_job import PredictJob
from advent_dist.runs.trained import load_run

QUESTION = "How fast does predict segment images, beside a loop that does one after the other?"
RESULTS = Path(__file__).parent / "results" / "predict.json"
_WARM_UP = 32
"""Images: what two workers take first."""

WAYS = ("loop", "one process", "1 worker", "2 workers")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is segmented, and how often."""

    run: str
    """A trained run."""

    images: Path
    """Folder of images."""

    rounds: int = 3
    """Times that each way runs."""

    way: str | None = None
    """Only this one, once, with its numbers as JSON: what the others are processes of."""

    json: Path | None = RESULTS
    """Where the result goes."""


def main() -> None:
    options = tyro.cli(Options)
    if options.way is not None:
        print(json.dumps(measure(options.way, options)))
        return
    done: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way, runs in done.items():
            runs.append(_in_a_process(way, options))
            sys.stderr.write(f"{way:12} {runs[-1]}\n")
    rows: list[dict[str, Any]] = [
        {
            "way": way,
            "images_per_s": statistics.median(run["images_per_s"] for run in runs),
            "start_s": statistics.median(run["start_s"] for run in runs),
            "all": runs,
        }
        for way, runs in done.items()
    ]
    pairs = (("one process", "loop"), ("1 worker", "loop"), ("2 workers", "1 worker"))
    ratios = {
        f"images/s of {way} / {other}": statistics.median(
            one["images_per_s"] / two["images_per_s"]
            for one, two in zip(done[way], done[other], strict=True)
        )
        for way, other in pairs
    }
    keep(options.json, question=QUESTION, ratios=ratios, rows=rows)
    print("| way | images/s | s to the first |\n| --- | ---: | ---: |")
    for row in rows:
        print(f"| {row['way']} | {row['images_per_s']:.2f} | {row['start_s']:.1f} |")
    print("\n| ratio | |\n| --- | ---: |")
    for name, value in ratios.items():
        print(f"| {name} | {value:.2f} |")


def _in_a_process(way: str, options: Options) -> dict[str, float]:
    command = [sys.executable, __file__, "--run", options.run, "--images", str(options.images)]
    done = subprocess.run([*command, "--way", way], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(way: str, options: Options) -> dict[str, float]:
    """Images per second after those that are to warm up, and seconds to the first."""
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        torch.set_num_threads(1)
        if way == "loop":
            ended = list(_loop(options, Path(out)))
        else:
            ended = list(_predict(way, options, out))
    return {
        "images_per_s": (len(ended) - _WARM_UP) / (ended[-1] - ended[_WARM_UP - 1]),
        "start_s": ended[0] - began,
    }


def _loop(options: Options, out: Path) -> Any:
    """What anybody would write first; the times at which images are done."""
    run = load_run(options.run, "last", torch.device("cpu"))
    size = run.experiment.data.evaluation_size
    for path in sorted(options.images.iterdir()):
        image = read_image(path, str(path))
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
            Image.fromarray(picture).save(out / f"{path.stem}_{kind}.png")
        yield time.perf_counter()


def _predict(way: str, options: Options, out: str) -> Any:
    images = find_images(os.path.abspath(options.images), out)
    job = PredictJob(
        runs=(os.path.abspath(options.run),),
        which="last",
        view=View(),
        images=images,
        out=out,
        overlay=False,
    )
    if way == "one process":
        for _ in job.predictor().predict(list(images.stamps)):
            yield time.perf_counter()
        return
    from cluster.predicting import on_ray

    with on_ray(job, int(way.split()[0]), 0, None) as predict:
        for _ in predict(list(images.stamps)):
            yield time.perf_counter()


if __name__ == "__main__":
    main()
