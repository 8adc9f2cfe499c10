"""`advent-dist pseudo-label RUN [RUN ...] --to SHARDS`: what a run sees in a target, as its labels.

The next training takes them as its source, or, of `--easy` images, as a source beside the others as
its target (IntraDA).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from advent_dist.config import View
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
from advent_dist.runs.labelling.rules import RULES, RuleName, Values
from advent_dist.runs.trained import TrainedRun, available_device, load_runs
from shards.info import class_shares
from shards.relabel import Label, Samples, relabel
from shards.write import VoidLabelsError


@dataclass(frozen=True, kw_only=True)
class PseudoLabel(View):
    """Label a target's shards by what a run sees in them; of several runs, by the mean logits."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional]
    """Run folders or their URLs."""

    to: str
    """Folder or URL that the labelled shards are written to."""

    images: str | None = None
    """Shards whose images are labelled, a folder or a URL; none takes the target of the first run
    (data.target)."""

    rule: RuleName = "class_balanced"
    """Which pixels get a label. all: each; confident: those of at least --threshold; portion: the
    surest --portion of all (CBST's ST); class_balanced: of each class, which may be labelled where
    another one is likelier (CBST, CRST); class_capped: the same of the likeliest class, and
    whatever reaches --threshold (FDA)."""

    portion: float = 0.2
    """Share of pixels with a label. CBST: 0.2, and 0.05 more each round up to 0.5; FDA: 0.34."""

    threshold: float = 0.9
    """Probability from which a pixel is sure."""

    easy: float | None = None
    """Label only this share of the images, those of lowest entropy; 0.67 is IntraDA's."""

    hard_to: str | None = None
    """Folder or URL that the shards of the others are written to, without labels."""

    which: Literal["last", "best"] = "last"
    """Checkpoint of each run."""

    overwrite: bool = False
    """Replace the shards that are there."""


def main(arguments: list[str]) -> int:
    """Run the command; see the module's docstring."""
    options = tyro.cli(PseudoLabel, args=arguments, prog="advent-dist pseudo-label")
    if not options.runs:
        sys.stderr.write("advent-dist pseudo-label: give at least one run folder; see --help\n")
        return 2
    _check(options)
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
    return 0


def _check(options: PseudoLabel) -> None:
    for name in ("portion", "threshold", "easy"):
        value = getattr(options, name)
        require(value is None or 0 < value <= 1, f"--{name}", value, "give a share in (0, 1]")
    if options.hard_to is not None and options.easy is None:
        raise ConfigError(f"--hard-to {options.hard_to}: give --easy, a share of the images, too")


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
