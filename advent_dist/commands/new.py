"""`advent-dist new NAME --source SHARDS --target SHARDS`: write NAME.py, a complete experiment."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from advent_dist.errors import DataError
from advent_dist.experiments.draft import MIXING, Method, draft
from advent_dist.experiments.recipe import Device, Domain, recipe_for


@dataclass(frozen=True, kw_only=True)
class New:
    """Look at shards and write NAME.py, a function that returns a complete experiment for them.

    `advent-dist train NAME.py` trains it; edit the file, or change any field by a flag.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Name of the experiment, or path of the file that is to be. A file that is there is kept."""

    source: str
    """Shards of the images with label maps, a folder or URL; for boxes see docs/detection.md."""

    target: str
    """Shards of the images to adapt to; labels in them are never read."""

    evaluation: str | None = None
    """Shards of target images to evaluate on, best with labels, a dozen will do; none takes images
    of the target, without labels."""

    device: Annotated[Literal["auto", "cpu", "gpu"], tyro.conf.arg(name="for")] = "auto"
    """A short recipe for CPUs, or a long one for GPUs; auto: for what this machine has."""

    method: Method = "advent"
    """How to adapt (docs/methods.md); source_only does not, and is what the others compare with."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    asked = tyro.cli(New, args=arguments, prog="advent-dist new")
    from advent_dist.commands.own_file import free_path, write_new

    path = free_path(asked.name, "NAME")
    # Networks and loaders: seconds of imports, which a message about a name should not take.
    from advent_dist.data.store import read_manifest
    from advent_dist.experiments.file import experiment_in_text
    from advent_dist.runs.classes import classes_of
    from advent_dist.runs.preflight import check_shards

    manifest = read_manifest(asked.source)
    if manifest.has("boxes") and not manifest.labelled:
        raise DataError(
            f"{asked.source}: its shards have boxes, but no label maps, and experiments for "
            "segmenters alone are drafted; for a detector start from streets_boxes_advent "
            "(docs/detection.md)"
        )
    source, target = _domain(asked.source), _domain(asked.target)
    evaluation = None if asked.evaluation is None else _domain(asked.evaluation)
    device, count, why = _device(asked.device)
    one_size = asked.method in MIXING
    recipe = recipe_for(device, count, source, target, evaluation, one_size=one_size)
    num_classes = len(manifest.class_names)
    text = draft(str(path), asked.method, recipe, source, target, evaluation, num_classes)
    experiment = experiment_in_text(text, str(path))
    classes_of(experiment)
    for said in check_shards(experiment):
        sys.stderr.write(f"warning: {said}\n")
    write_new(path, text, "NAME")
    images = recipe.batch_size * recipe.workers
    sys.stdout.write(
        f"{path}: {recipe.steps} steps of {images} images of each domain, for {why}\n"
        f"next: advent-dist doctor {path}; advent-dist train {path}\n"
    )
    return 0


def _domain(url: str) -> Domain:
    """What the recipe depends on, from the manifest and some of the images."""
    from advent_dist.data.store import read_manifest
    from shards.sizes import typical_size

    manifest = read_manifest(url)
    return Domain(
        folder=url,
        num_samples=manifest.num_samples,
        labelled=manifest.labelled,
        size=typical_size(url, manifest),
    )


def _device(asked: Literal["auto", "cpu", "gpu"]) -> tuple[Device, int, str]:
    """What to write for, how many of it this machine has, and the reason in words."""
    import torch

    gpus, cores = torch.cuda.device_count(), len(os.sched_getaffinity(0))
    if asked == "cpu" or (asked == "auto" and not gpus):
        why = (
            "" if asked == "cpu" else ": PyTorch sees no GPU here; --for gpu writes the long recipe"
        )
        return "cpu", cores, f"CPUs{why}"
    return "gpu", gpus or 1, f"GPUs{': PyTorch sees them here' if asked == 'auto' else ''}"
