"""`advent-dist predict RUN [RUN ...] --images IMAGES --out DIR`: segment images.

Each image gets a colour map, its train ids and an entropy map.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from advent_dist.config import View
from advent_dist.data.store import open_folder
from advent_dist.errors import DataError
from advent_dist.printable import printable
from advent_dist.runs.images import find_images
from advent_dist.runs.overview import PAGE, write_overview
from advent_dist.runs.predict import predict
from advent_dist.runs.trained import available_device, load_runs

_NAMED = 5
"""How many of the files that were left alone are named."""


@dataclass(frozen=True, kw_only=True)
class Predict(View):
    """Segment an image or a folder of them; several runs are averaged, logits by logits."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders or their URLs."""

    images: str
    """Image, or folder with images in it and in its folders; a path or a URL."""

    out: str
    """Folder or URL to write NAME_color.png, NAME_trainid.png and NAME_entropy.png to, in the same
    folders as the images; of several also predictions.json, and uncertain.html, a page of the most
    uncertain. What is there whole, of the same file and by the same models, is not made again."""

    which: Literal["last", "best"] = "last"
    """Checkpoint of each run."""

    overlay: bool = False
    """Write NAME_overlay.png, too: the colours over the image."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    options = tyro.cli(Predict, args=arguments, prog="advent-dist predict")
    if not options.runs:
        sys.stderr.write("advent-dist predict: give at least one run folder; see --help\n")
        return 2
    images = find_images(options.images, options.out)
    if images.left_alone:
        sys.stderr.write(printable(f"-- {_told(images.left_alone)}\n"))
    device = available_device()
    runs = load_runs(
        list(options.runs),
        options.which,
        device,
        options,
    )
    out, classes = open_folder(options.out), runs[0].classes
    began = time.monotonic()
    predicted = predict(
        [run.coarse for run in runs],
        images,
        out,
        classes,
        runs[0].experiment.data.evaluation_size,
        device,
        by="+".join(run.digest for run in runs),
        overlay=options.overlay,
    )
    rate = predicted.new / max(time.monotonic() - began, 1e-9)
    count = len(predicted.seen)
    there = f"; {count - predicted.new} were there" if predicted.new < count else ""
    said = [f"{count} images -> {options.out} ({rate:.2g} images/s{there})"]
    if count > 1:
        summary = write_overview(images, predicted.seen, out, classes)
        said.append(
            f"mean entropy {summary['mean_entropy']:.3f}, {len(summary['classes'])} classes; the "
            f"most uncertain images: {out.url}/{PAGE}"
        )
    sys.stdout.write(printable("".join(f"{line}\n" for line in said)))
    if predicted.unreadable:
        raise DataError(
            f"{len(predicted.unreadable)} of {len(images.names)} images could not be read, all "
            f"others are in {out.url}; mend or remove: {', '.join(predicted.unreadable)}"
        )
    return 0


def _told(left_alone: list[str]) -> str:
    named = ", ".join(left_alone[:_NAMED])
    others = len(left_alone) - _NAMED
    return (
        f"left alone, since their names are not those of images: {len(left_alone)} files "
        f"({named}{f' and {others} others' if others > 0 else ''})"
    )
