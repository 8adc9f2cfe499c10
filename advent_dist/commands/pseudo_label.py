"""`advent-dist pseudo-label RUN [RUN ...] --to SHARDS`: what a run sees in a target, as its labels.

The next training takes them as its source, or, of `--easy` images, as a source beside the others as
its target (IntraDA).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from advent_dist.config import View
from advent_dist.config.pseudo_labels import RuleName
from advent_dist.config.require import require
from advent_dist.errors import ConfigError


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
    # Networks: seconds of imports, which `--help` should not take.
    from advent_dist.commands.labelled_shards import write_labelled_shards

    write_labelled_shards(options)
    return 0


def _check(options: PseudoLabel) -> None:
    for name in ("portion", "threshold", "easy"):
        value = getattr(options, name)
        require(value is None or 0 < value <= 1, f"--{name}", value, "give a share in (0, 1]")
    if options.hard_to is not None and options.easy is None:
        raise ConfigError(f"--hard-to {options.hard_to}: give --easy, a share of the images, too")
