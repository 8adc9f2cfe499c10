"""`advent-dist predict RUN [RUN ...] --images DIR --out DIR`: segment a folder of images.

Each image gets a colour map, its train ids and an entropy map.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import tyro
from torch import Tensor

from advent_dist.runs.predict import predict
from advent_dist.runs.trained import available_device, load_runs


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Segment a folder of images; several runs are averaged, logits by logits."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders or their URLs."""

    images: str
    """Folder with .jpg and .png files."""

    out: str
    """Folder to write NAME_color.png, NAME_trainid.png and NAME_entropy.png to."""

    which: Literal["last", "best"] = "last"
    """Checkpoint of each run."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    options = tyro.cli(Predict, args=arguments, prog="advent-dist predict")
    if not options.runs:
        sys.stderr.write("advent-dist predict: give at least one run folder; see --help\n")
        return 2
    device = available_device()
    runs = load_runs(list(options.runs), options.which, device)

    def ensemble(images: Tensor, size: tuple[int, int]) -> Tensor:
        return torch.stack([run.predictor(images, size) for run in runs]).mean(0)

    size = runs[0].experiment.data.evaluation_size
    number = predict(ensemble, options.images, options.out, runs[0].classes, size, device)
    sys.stdout.write(f"{number} images -> {options.out}\n")
    return 0
