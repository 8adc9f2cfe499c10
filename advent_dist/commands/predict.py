"""`advent-dist predict RUN [RUN ...] --images IMAGES --out DIR`: segment images.

Each image gets a colour map, its train ids and an entropy map.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from advent_dist.config import View
from advent_dist.data.store import open_folder
from advent_dist.printable import printable
from advent_dist.runs.images import find_images
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
    folders as the images."""

    which: Literal["last", "best"] = "last"
    """Checkpoint of each run."""


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
    predict(
        [run.coarse for run in runs],
        images,
        open_folder(options.out),
        runs[0].classes,
        runs[0].experiment.data.evaluation_size,
        device,
    )
    sys.stdout.write(f"{len(images.names)} images -> {options.out}\n")
    return 0


def _told(left_alone: list[str]) -> str:
    named = ", ".join(left_alone[:_NAMED])
    others = len(left_alone) - _NAMED
    return (
        f"left alone, since their names are not those of images: {len(left_alone)} files "
        f"({named}{f' and {others} others' if others > 0 else ''})"
    )
