"""Whether runs are better than others on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from advent_dist.config import Experiment, Several, View
from advent_dist.config.baseline import is_adapted, other_terms
from advent_dist.data.store import folder_url
from advent_dist.errors import ConfigError
from advent_dist.evaluation.paired import Comparison, compare
from advent_dist.evaluation.verdict import verdict
from advent_dist.runs.detection.trained import is_detector
from advent_dist.runs.scoring import score_images
from advent_dist.runs.trained import open_trained

_CHOSE = (
    " These are images that the run was evaluated on while it trained, so that they may have "
    "chosen a checkpoint, or values: give others (--data)."
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A comparison and what it comes to."""

    ours: str
    """What the runs that are judged are called."""

    theirs: str
    """The same of those that they are compared with."""

    comparison: Comparison
    """The numbers."""

    verdict: str
    """One or two sentences."""

    @property
    def paragraph(self) -> str:
        """The verdict with what it is on."""
        return f"{self.ours} against {self.theirs}. {self.verdict}"


def compare_runs(
    ours: Sequence[str],
    theirs: Sequence[str],
    which: str,
    folder: str | None = None,
    several: Several | None = None,
    view: View | None = None,
) -> Judged:
    """Compare runs with others on the same images.

    Args:
        ours: Folders of the runs that are judged.
        theirs: Folders of those that they are compared with.
        which: `last` or `best` checkpoint.
        folder: Shards; none takes the `data.held_out` of the first run, or else what it was
            evaluated on, which the verdict says then.
        several: Several runs of a side are an ensemble, or trainings by several seeds. Those are
            paired in the order of their seeds. None is an ensemble, unless both sides have several.
        view: See `load_runs`.

    Raises:
        ConfigError: a run is a detector's; it is not clear what several runs are, or seeds are not
            as many, or not different ones; or both sides are the same.
        DataError, CheckpointError, DamageError: see `score_images`.
    """
    if any(map(is_detector, [*ours, *theirs])):
        raise ConfigError(
            "--against: whether a detector is better is not told image by image, of which average "
            "precision can't be made; compare several seeds (advent-dist evaluate of each)"
        )
    if several is None and len(ours) > 1 and len(theirs) > 1:
        raise ConfigError(
            f"{len(ours)} runs against {len(theirs)}: add --several seeds to compare trainings by "
            "several seeds one by one, or --several ensemble to compare the averages of their "
            "logits"
        )
    if several == "seeds":
        if len(ours) != len(theirs):
            raise ConfigError(
                f"--several seeds: {len(ours)} runs against {len(theirs)}; give as many of each"
            )
        pairs = list(zip(_by_seed(ours), _by_seed(theirs), strict=True))
        sides = [[one] for one, _ in pairs], [[other] for _, other in pairs]
    else:
        sides = [list(ours)], [list(theirs)]
    if {url.rstrip("/") for url in ours} == {url.rstrip("/") for url in theirs}:
        raise ConfigError(
            f"--against: the same on both sides ({', '.join(ours)}); compare with another run"
        )
    if folder is None:
        folder = _held_out(ours[0])
    found, names = score_images([*sides[0], *sides[1]], which, folder, view)
    seeds = len(sides[0])
    judged = _judged(ours, theirs, compare(found[:seeds], found[seeds:], names), several)
    return judged if folder is not None else replace(judged, verdict=judged.verdict + _CHOSE)


def compare_with_first(urls: Sequence[str], which: str, folder: str) -> list[Judged]:
    """Compare each run but the first with the first, all on the same images.

    Args:
        urls: Folders of two or more runs.
        which: `last` or `best` checkpoint.
        folder: Shards.

    Raises:
        DataError, CheckpointError, DamageError: see `score_images`.
    """
    found, names = score_images([[url] for url in urls], which, folder)
    return [
        _judged([url], urls[:1], compare([one], found[:1], names), None)
        for url, one in zip(urls[1:], found[1:], strict=True)
    ]


def _judged(
    ours: Sequence[str], theirs: Sequence[str], comparison: Comparison, several: Several | None
) -> Judged:
    one, other = _called(ours, several), _called(theirs, several)
    if one == other:
        one, other = " + ".join(ours), " + ".join(theirs)
    adapted, plain = _experiments(ours), _experiments(theirs)
    others: dict[str, None] = {}
    for pair in product(adapted, plain):
        others |= dict.fromkeys(other_terms(*pair))
    if len(ours) != len(theirs):
        others["the number of trainings that are averaged"] = None
    words = verdict(
        comparison,
        one,
        other,
        adaptation=all(map(is_adapted, adapted)) and not any(map(is_adapted, plain)),
        others=list(others),
        each=_each(len(ours), len(theirs), several),
    )
    return Judged(ours=one, theirs=other, comparison=comparison, verdict=words)


def _held_out(url: str) -> str | None:
    """The images that chose nothing, if the run has such."""
    data = open_trained(url).experiment().data
    return None if data.held_out is None else folder_url(data, data.held_out)


def _each(ours: int, theirs: int, several: Several | None) -> str:
    """What each side is one of."""
    if several == "seeds" or ours == theirs == 1:
        return "training"
    return "ensemble" if min(ours, theirs) > 1 else "training or ensemble"


def _by_seed(urls: Sequence[str]) -> list[str]:
    """The runs in the order of their seeds."""
    found: dict[int, str] = {}
    for url in urls:
        seed = open_trained(url).experiment().run.seed
        if seed in found:
            raise ConfigError(
                f"--several seeds: {found[seed]} and {url} were both trained with run.seed = "
                f"{seed}; give trainings by different seeds"
            )
        found[seed] = url
    return [found[seed] for seed in sorted(found)]


def _experiments(urls: Sequence[str]) -> list[Experiment]:
    return [open_trained(url).experiment() for url in urls]


def _called(urls: Sequence[str], several: Several | None) -> str:
    """The runs by the names of their folders."""
    names = [url.rstrip("/").rsplit("/", 1)[-1] for url in urls]
    return (", " if several == "seeds" else " + ").join(names)
