"""`advent-dist predict RUN [RUN ...] --images IMAGES --out DIR`: segment images, or find boxes.

Each image gets a colour map, its train ids and an entropy map; of a detector its boxes, as JSON and
drawn.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from advent_dist.config import View
from advent_dist.config.require import require
from advent_dist.errors import DataError
from advent_dist.printable import printable

if TYPE_CHECKING:
    from advent_dist.runs.detection.predict import DetectJob
    from advent_dist.runs.images import Images
    from advent_dist.runs.predict_job import PredictJob
    from advent_dist.runs.prediction import Job, Outcome

    Elsewhere = Callable[[Sequence[str]], Iterator[Outcome]]
    """Segments images in other processes; see `Predictor.predict`."""

_NAMED = 5
"""How many of the files that were left alone are named."""


@dataclass(frozen=True, kw_only=True)
class Predict(View):
    """Segment images, or find boxes in them; several segmenters are averaged, logits by logits."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders or their URLs."""

    images: str
    """Image, folder with images in it and in its folders, or folder of shards; a path or a URL."""

    out: str
    """Folder or URL to write NAME_color.png, NAME_trainid.png and NAME_entropy.png to, or
    NAME_boxes.json and NAME_boxes.png, in the same folders as the images; of several also
    predictions.json, and uncertain.html, a page of the most uncertain. What is there whole, of the
    same file and by the same models, is not made again."""

    which: Literal["last", "best"] = "last"
    """Checkpoint of each run."""

    overlay: bool = False
    """Write NAME_overlay.png, too: the colours over the image."""

    score: float | None = None
    """Detectors: least probability of the boxes that are drawn and counted, 0.5 if none is given;
    the JSON has all."""

    video: str | None = None
    """Write the overlays, or the images with their boxes, as a video, too: path or URL of an MP4.
    Frames are in natural order of their names. Segmenters: implies --overlay."""

    fps: float | None = None
    """Frames a second of the video, 10 if none are given."""

    workers: int = 0
    """Processes of one CPU each on a Ray cluster, all of which reach the folders by these paths or
    URLs; 0 does it in this process."""

    gpus_per_worker: int = 0
    """GPUs of each worker."""

    address: str | None = None
    """Address of the Ray cluster, `auto` for the one that this machine is part of; none takes
    RAY_ADDRESS, and without it starts Ray on this machine until all is done."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    options = tyro.cli(Predict, args=arguments, prog="advent-dist predict")
    if not options.runs:
        sys.stderr.write("advent-dist predict: give at least one run folder; see --help\n")
        return 2
    _check_workers(options)
    # Networks: seconds of imports, which `--help` should not take.
    import torch

    from advent_dist.data.store import open_folder
    from advent_dist.runs.images import ImageFiles, find_images
    from advent_dist.runs.overview import PAGE, require_ours, write_overview
    from advent_dist.runs.prediction import predict_missing
    from advent_dist.runs.video import FPS, check_video, write_video

    check_video(options.video, options.fps)
    images = find_images(options.images, options.out)
    if isinstance(images, ImageFiles) and images.left_alone:
        sys.stderr.write(printable(f"-- {_told(images.left_alone)}\n"))
    require_ours(open_folder(options.out))
    job = _job(options, replace(images, url=_absolute(images.url)))
    # Workers compute; here their GPUs are not to have a copy more.
    predictor = job.predictor(torch.device("cpu") if options.workers else None)
    out = open_folder(job.out)
    began = time.monotonic()
    with _workers(options, job) as elsewhere:
        predict = elsewhere or predictor.predict
        predicted = predict_missing(images, predictor.results, predictor.by, predict)
    rate = predicted.new / max(time.monotonic() - began, 1e-9)
    count = len(predicted.seen)
    there = f"; {count - predicted.new} were there" if predicted.new < count else ""
    said = [f"{count} images -> {options.out} ({rate:.2g} images/s{there})"]
    if count > 1:
        summary = write_overview(images, predicted.seen, out, predictor.results, predictor.classes)
        said.append(
            f"mean entropy {summary['mean_entropy']:.3f}, {len(summary['classes'])} classes; the "
            f"most uncertain images: {out.url}/{PAGE}"
        )
    if options.video is not None and count:
        frames = write_video(
            predicted.seen, predictor.results, options.fps or FPS, _absolute(options.video)
        )
        said.append(f"{frames} frames -> {options.video}")
    sys.stdout.write(printable("".join(f"{line}\n" for line in said)))
    if predicted.unreadable:
        raise DataError(
            f"{len(predicted.unreadable)} of {len(images.stamps)} images could not be read, all "
            f"others are in {out.url}; mend or remove: {', '.join(predicted.unreadable)}"
        )
    return 0


def _job(options: Predict, images: Images) -> PredictJob | DetectJob:
    """What is asked for, of a segmenter or of a detector; paths are absolute."""
    from advent_dist.runs.detection.predict import DetectJob
    from advent_dist.runs.detection.results import LEAST_SCORE
    from advent_dist.runs.detection.trained import is_detector
    from advent_dist.runs.predict_job import PredictJob

    runs = tuple(_absolute(url) for url in options.runs)
    out = _absolute(options.out)
    score = options.score
    if is_detector(runs[0]):
        fix = "a probability is 0 to 1"
        require(score is None or 0 <= score <= 1, "--score", score, fix)
        require(not options.overlay, "--overlay", True, "boxes are drawn over the images anyway")
        return DetectJob(
            runs=runs,
            which=options.which,
            view=options,
            images=images,
            out=out,
            least_score=LEAST_SCORE if score is None else score,
        )
    require(score is None, "--score", score, "it is of boxes, which a segmenter has none of")
    return PredictJob(
        runs=runs,
        which=options.which,
        view=options,
        images=images,
        out=out,
        overlay=options.overlay or options.video is not None,
    )


def _check_workers(options: Predict) -> None:
    workers, gpus = options.workers, options.gpus_per_worker
    require(workers >= 0, "--workers", workers, "give 0 or more")
    require(gpus >= 0, "--gpus-per-worker", gpus, "give 0 or more")
    if not workers:
        alone = "it is of use with --workers only"
        require(not gpus, "--gpus-per-worker", gpus, alone)
        require(not options.address, "--address", options.address, alone)


def _workers(options: Predict, job: Job) -> AbstractContextManager[Elsewhere | None]:
    if not options.workers:
        return nullcontext()
    from cluster.predicting import on_ray  # here, since importing Ray takes seconds

    return on_ray(job, options.workers, options.gpus_per_worker, options.address)


def _absolute(url: str) -> str:
    """The same for processes in other folders."""
    return url if "://" in url else os.path.abspath(os.path.expanduser(url))


def _told(left_alone: Sequence[str]) -> str:
    named = ", ".join(left_alone[:_NAMED])
    others = len(left_alone) - _NAMED
    return (
        f"left alone, since their names are not those of images: {len(left_alone)} files "
        f"({named}{f' and {others} others' if others > 0 else ''})"
    )
