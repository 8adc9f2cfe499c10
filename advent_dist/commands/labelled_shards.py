"""What `advent-dist pseudo-label` does."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from advent_dist.commands.pseudo_label import PseudoLabel
from advent_dist.config.require import require
from advent_dist.data.classes import ClassSet
from advent_dist.data.manifest import FILE_NAME, Manifest
from advent_dist.data.store import open_folder
from advent_dist.errors import ConfigError, DataError
from advent_dist.printable import plain_console, printable
from advent_dist.runs.images import address
from advent_dist.runs.labelling.confidences import Confidences
from advent_dist.runs.labelling.easy import easy_and_hard
from advent_dist.runs.labelling.labeller import Labeller
from advent_dist.runs.labelling.rules import RULES, Values
from advent_dist.runs.trained import TrainedRun, available_device, load_runs
from shards.info import class_shares
from shards.relabel import Label, Samples, relabel
from shards.write import VoidLabelsError


def write_labelled_shards(options: PseudoLabel) -> None:
    """Look at all images, label them, and print what came of it.

    Raises:
        ConfigError: two of the folders are one, or no pixel is sure enough.
        CheckpointError: a run has no such checkpoint.
        DataError: shards are there already, or can't be read or written.
    """
    device = available_device()
    runs = load_runs(
        list(options.runs),
        options.which,
        device,
        options,
    )
    data = runs[0].experiment.data
    there = (data, data.target)
    if options.images is not None:
        there = (replace(data, root=options.images), "")
    samples = Samples(*there)
    _check_room(options, samples.url)
    labeller = Labeller([run.coarse for run in runs], data.evaluation_size, device)
    thresholds, entropies = _looked_at(options, samples, labeller, runs[0].classes)
    share = 1.0 if options.easy is None else options.easy
    easy, hard = easy_and_hard(entropies or [0.0] * len(samples), share)
    write = partial(
        relabel,
        samples,
        by=_by(options, runs),
        classes=runs[0].classes,
        overwrite=options.overwrite,
    )
    try:
        manifest = write(easy, options.to, label=_label(options, labeller, thresholds))
    except VoidLabelsError:
        fix = "lower --threshold, or raise --portion"
        raise ConfigError(f"--rule {options.rule}: no pixel is sure enough; {fix}") from None
    pixels = sum(manifest.class_histogram) / manifest.num_samples
    said = f"{manifest.num_samples} images -> {options.to}: {pixels:,.0f} labelled pixels in each"
    sys.stdout.write(printable(f"{said}\n"))
    plain_console().print(_table(manifest, thresholds))
    if options.hard_to is not None:
        write(hard, options.hard_to, label=None)
        said = f"{len(hard)} images of higher entropy -> {options.hard_to}"
        sys.stdout.write(printable(f"{said}\n"))


def _check_room(options: PseudoLabel, source: str) -> None:
    """Refuse places at once, and not after hours of looking.

    Raises:
        ConfigError: one of them is that of the images, or both are one.
        DataError: shards are there.
    """
    places = {address(source): "--images"}
    for flag, url in (("--to", options.to), ("--hard-to", options.hard_to)):
        if url is None:
            continue
        other = places.setdefault(address(url), flag)
        fix = "give another folder: what is written there would replace what is read"
        require(other == flag, flag, url, f"the same as {other}; {fix}")
        folder = open_folder(url)
        if FILE_NAME in folder.list() and not options.overwrite:
            raise DataError(f"{flag} {folder.url} holds shards already; add --overwrite")


def _looked_at(
    options: PseudoLabel, samples: Samples, labeller: Labeller, classes: ClassSet
) -> tuple[list[float], list[float]]:
    """Thresholds of the classes, and the entropies of the images; of none if nobody asks."""
    rule = RULES[options.rule]
    values = Values(
        num_classes=classes.num_classes, portion=options.portion, threshold=options.threshold
    )
    entropies = []
    with (
        tempfile.TemporaryDirectory(prefix="advent_dist_") as folder,
        Confidences(Path(folder), classes.num_classes, every=rule.every or 1) as pixels,
    ):
        if rule.every is not None or options.easy is not None:
            console = Console(stderr=True)
            for image in track(samples.images(), "look", total=len(samples), console=console):
                look = labeller.look(image)
                entropies.append(look.entropy)
                if rule.every is not None:
                    pixels.add(look.confidence, look.label)
        return rule.thresholds(pixels, values), entropies


def _label(options: PseudoLabel, labeller: Labeller, thresholds: list[float]) -> Label:
    return partial(labeller.label, rule=RULES[options.rule], thresholds=torch.tensor(thresholds))


def _by(options: PseudoLabel, runs: Sequence[TrainedRun]) -> str:
    """What labels, and how: what an interrupted call has to share with the one that goes on."""
    rule: list[str] = [options.rule]
    if options.rule in ("portion", "class_balanced", "class_capped"):
        rule.append(f"portion={options.portion:g}")
    if options.rule in ("confident", "class_capped"):
        rule.append(f"threshold={options.threshold:g}")
    if options.easy is not None:
        rule.append(f"easy={options.easy:g}")
    models = "+".join(f"{run.experiment.name}@{run.digest}" for run in runs)
    return f"{models},{','.join(rule)}"


def _table(manifest: Manifest, thresholds: list[float]) -> Table:
    table = Table("class", "threshold", "share of labelled pixels")
    for share, threshold in zip(class_shares(manifest), thresholds, strict=True):
        table.add_row(share.name, f"{threshold:.4f}", f"{share.percent:.2f} %")
    return table
